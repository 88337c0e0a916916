"""Pages of the people's room."""

from __future__ import annotations

from django.urls import URLPattern, path

from labeling.views import home

urlpatterns: list[URLPattern] = [
    path("", home.home, name="home"),
    path("project/", home.project_choose, name="project-choose"),
]
