"""The API, version 1."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from iqa_site import api_schema, api_tokens

__all__ = ["api_schema", "urlpatterns"]  # the schema's extensions register themselves by import

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("tokens/", api_tokens.tokens, name="api-tokens"),
    path("tokens/<str:key>/", api_tokens.token, name="api-token"),
    path("", include("labeling.api.urls")),
    path("", include("scoring.api.urls")),
]
