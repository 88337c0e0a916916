"""API of the people's room."""

from __future__ import annotations

from django.urls import URLPattern, path

from labeling.api import comment, compare, export, label, project, sheet, train

urlpatterns: list[URLPattern] = [
    path("label/next/", label.label_next, name="api-label-next"),
    path("label/submit/", label.label_submit, name="api-label-submit"),
    path("label/undo/", label.label_undo, name="api-label-undo"),
    path("label/skip/", label.label_skip, name="api-label-skip"),
    path("label/extend/", label.label_extend, name="api-label-extend"),
    path("label/release/", label.label_release, name="api-label-release"),
    path("label/pairs/", compare.label_pairs, name="api-label-pairs"),
    path("label/compare/", compare.label_compare, name="api-label-compare"),
    path("label/compare/undo/", compare.label_compare_undo, name="api-label-compare-undo"),
    path("label/sheet/", sheet.label_sheet, name="api-label-sheet"),
    path("label/sheet/confirm/", sheet.label_sheet_confirm, name="api-label-sheet-confirm"),
    path("label/sheet/undo/", sheet.label_sheet_undo, name="api-label-sheet-undo"),
    path("images/<int:pk>/comments/", comment.comments, name="api-image-comments"),
    path("calls/", comment.calls, name="api-calls"),
    path("calls/<int:pk>/seen/", comment.call_seen, name="api-call-seen"),
    path("projects/", project.projects, name="api-projects"),
    path("exports/", export.exports, name="api-exports"),
    path("exports/<int:pk>/", export.export_detail, name="api-export"),
    path("exports/<int:pk>/file/", export.export_file, name="api-export-file"),
    path("exports/<int:pk>/cancel/", export.export_stop, name="api-export-cancel"),
    path("training-runs/", train.training_runs, name="api-training-runs"),
]
