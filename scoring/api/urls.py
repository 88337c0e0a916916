"""API of the machine's room."""

from __future__ import annotations

from django.urls import URLPattern, path

from scoring.api import dataset, images, ingest, promote, score, train

urlpatterns: list[URLPattern] = [
    path("imports/", ingest.imports, name="api-imports"),
    path("imports/<int:pk>/", ingest.import_detail, name="api-import"),
    path("imports/<int:pk>/rows/", ingest.import_rows, name="api-import-rows"),
    path("imports/<int:pk>/files/", ingest.import_files, name="api-import-files"),
    path("imports/<int:pk>/cancel/", ingest.import_stop, name="api-import-cancel"),
    path("imports/<int:pk>/resume/", ingest.import_again, name="api-import-resume"),
    path("images/", images.images, name="api-images"),
    path("images/<int:pk>/", images.image_detail, name="api-image"),
    path("images/<int:pk>/picture/", images.image_picture, name="api-image-picture"),
    path("scores/", score.scores, name="api-scores"),
    path("datasets/", dataset.datasets, name="api-datasets"),
    path("datasets/<int:pk>/", dataset.dataset_detail, name="api-dataset"),
    path("models/", promote.models, name="api-models"),
    path("models/serving/", promote.model_serving, name="api-serving"),
    path("models/roll-back/", promote.roll_back, name="api-roll-back"),
    path("models/<int:pk>/", promote.model_detail, name="api-model"),
    path("models/<int:pk>/promote/", promote.promote, name="api-promote"),
    path("training-runs/<int:pk>/", train.training_run, name="api-training-run"),
    path("training-runs/<int:pk>/cancel/", train.training_run_cancel, name="api-training-run-cancel"),
]
