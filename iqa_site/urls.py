"""All addresses: pages of the two rooms, the API, login, health."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from iqa_site import health
from iqa_site.login import LoginPage, login_by_token
from iqa_site.password import choose_password
from iqa_site.theme import choose_theme

urlpatterns = [
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("login/", LoginPage.as_view(), name="login"),
    path("login/<str:uid>/<str:token>/", login_by_token, name="login-by-token"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("password/", choose_password, name="password"),
    path("language/", login_not_required(set_language), name="set_language"),
    path("theme/", choose_theme, name="theme"),
    path("admin/login/", login_not_required(RedirectView.as_view(pattern_name="login", query_string=True))),
    path("admin/", admin.site.urls),
    path("api/v1/", include("iqa_site.api_urls")),
    path("", include("labeling.urls")),
    path("", include("scoring.urls")),
]

handler400 = "iqa_site.refusals.bad_request"
handler403 = "iqa_site.refusals.permission_denied"
handler404 = "iqa_site.refusals.page_not_found"
handler500 = "iqa_site.refusals.server_error"
