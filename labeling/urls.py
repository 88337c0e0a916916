"""Pages of the people's room."""

from __future__ import annotations

from django.urls import URLPattern, path

from labeling.views import (
    audit,
    catalogue,
    compare,
    data,
    export,
    grid,
    home,
    label,
    learning,
    paused,
    people,
    review,
    rules,
    train,
)

urlpatterns: list[URLPattern] = [
    path("", home.home, name="home"),
    path("people/", people.people, name="people"),
    path("people/add/", people.person_add, name="person-add"),
    path("people/<int:user_id>/role/", people.person_set_role, name="person-role"),
    path("people/<int:user_id>/pause/", people.person_pause, name="person-pause"),
    path("people/<int:user_id>/resume/", people.person_resume, name="person-resume"),
    path("people/<int:user_id>/release/", people.person_release, name="person-release"),
    path("people/appeals/<int:appeal_id>/", people.appeal_decide, name="appeal-decide"),
    path("label/paused/", paused.page, name="paused"),
    path("label/paused/appeal/", paused.appeal, name="appeal"),
    path("people/<int:user_id>/link/", people.person_link, name="person-link"),
    path("project/", home.project_choose, name="project-choose"),
    path("project/settings/", rules.page, name="project-rules"),
    path("data/", data.page, name="data"),
    path("data/freeze/", data.freeze, name="dataset-freeze"),
    path("exports/", export.start, name="export-start"),
    path("exports/<int:job_id>/file/", export.file, name="export-file"),
    path("exports/<int:job_id>/cancel/", export.cancel, name="export-cancel"),
    path("models/", train.models, name="models"),
    path("models/retrain/", train.start, name="retrain"),
    path("learning/", learning.page, name="learning"),
    path("learning/measure/", learning.measure, name="learning-measure"),
    path("audit/", audit.page, name="audit"),
    path("audit/events.csv", audit.events_csv, name="audit-events"),
    path("label/", label.label, name="label"),
    path("compare/", compare.compare, name="compare"),
    path("grid/", grid.grid, name="grid"),
    path("review/", review.review, name="review"),
    path("review/<int:item_id>/decide/", review.decide, name="review-decide"),
    path("review/decide/", review.decide_many, name="review-decide-many"),
    path("images/", catalogue.catalogue, name="catalogue"),
    path("images/<int:image_id>/", catalogue.image, name="image"),
]
