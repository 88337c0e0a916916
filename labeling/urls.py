"""Pages of the people's room."""

from __future__ import annotations

from django.urls import URLPattern, path

from labeling.views import catalogue, data, home, train

urlpatterns: list[URLPattern] = [
    path("", home.home, name="home"),
    path("project/", home.project_choose, name="project-choose"),
    path("data/", data.page, name="data"),
    path("data/freeze/", data.freeze, name="dataset-freeze"),
    path("models/", train.models, name="models"),
    path("models/retrain/", train.start, name="retrain"),
    path("images/", catalogue.catalogue, name="catalogue"),
    path("images/<int:image_id>/", catalogue.image, name="image"),
]
