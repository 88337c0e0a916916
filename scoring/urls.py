"""Pages of the machine's room."""

from __future__ import annotations

from django.urls import URLPattern, path

from scoring.views import pictures

urlpatterns: list[URLPattern] = [
    path("images/<int:image_id>/picture", pictures.picture, name="picture"),
    path("images/<int:image_id>/thumbnail", pictures.thumbnail, name="thumbnail"),
]
