"""All addresses: pages of the two rooms, the API, login, health."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import include, path
from django.views.i18n import set_language

from iqa_site import health
from iqa_site.login import login_by_token

urlpatterns = [
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("login/", auth_views.LoginView.as_view(), name="login"),
    path("login/<str:uid>/<str:token>/", login_by_token, name="login-by-token"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("language/", set_language, name="set_language"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("iqa_site.api_urls")),
    path("", include("labeling.urls")),
    path("", include("scoring.urls")),
]
