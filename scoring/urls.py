"""Pages of the machine's room."""

from __future__ import annotations

from django.urls import URLPattern, path

from scoring.views import heatmap, imports, models, pictures, runs

urlpatterns: list[URLPattern] = [
    path("images/<int:image_id>/picture", pictures.picture, name="picture"),
    path("images/<int:image_id>/heatmap", heatmap.heatmap, name="heatmap"),
    path("images/<int:image_id>/thumbnail", pictures.thumbnail, name="thumbnail"),
    path("imports/", imports.start, name="import-start"),
    path("imports/<int:job_id>/", imports.page, name="import"),
    path("imports/<int:job_id>/files/", imports.add, name="import-add"),
    path("imports/<int:job_id>/cancel/", imports.cancel, name="import-cancel"),
    path("imports/<int:job_id>/resume/", imports.resume, name="import-resume"),
    path("imports/<int:job_id>/refused.csv", imports.refused_csv, name="import-refused"),
    path("models/<int:model_id>/", models.card, name="model"),
    path("models/<int:model_id>/card.md", models.card_file, name="model-card"),
    path("models/<int:model_id>/promote/", models.promote, name="model-promote"),
    path("models/<int:model_id>/shadow/", models.shadow, name="model-shadow"),
    path("models/shadow/stop/", models.shadow_end, name="shadow-stop"),
    path("models/roll-back/", models.roll_back, name="model-roll-back"),
    path("runs/<int:run_id>/", runs.page, name="run"),
    path("runs/<int:run_id>/cancel/", runs.cancel, name="run-cancel"),
]
