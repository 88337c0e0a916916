"""Django admin of the machine's room: for looking. A change made here leaves an event like elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scoring.access import person_of
from scoring.events import event_note
from scoring.models import (
    DatasetRow,
    DatasetVersion,
    Event,
    Image,
    ImportJob,
    ImportRow,
    ModelVersion,
    OutsideLabel,
    Product,
    Score,
    ScoringJob,
    Serving,
    ShadowScore,
    StoredFeatures,
    TrainingRun,
)
from scoring.score import score_retry

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[models.Model]
else:  # only a type checker can subscribe the class
    _Admin = admin.ModelAdmin


class LookOnlyAdmin(_Admin):
    """A table people read here and change nowhere but through its station."""

    show_full_result_count = False  # counting a large table twice a page is slow
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class NotedAdmin(_Admin):
    """A table whose rows may be changed here, never deleted; each change leaves an event."""

    show_full_result_count = False
    list_per_page = 50

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: models.Model, form: ModelForm[Any], change: bool) -> None:
        """Keep the row with an event that names every changed field, before and after."""
        names = [name for name in form.changed_data if name in form.initial]
        super().save_model(request, obj, form, change)
        event_note(
            actor=request.user if isinstance(request.user, User) else None,
            verb="admin.change" if change else "admin.add",
            target=obj,
            before={name: _plain(form.initial.get(name)) for name in names} if change else {},
            after={name: _plain(form.cleaned_data.get(name)) for name in form.changed_data},
        )


def _plain(value: object) -> object:
    """A field's value as JSON: rows by their id."""
    if isinstance(value, models.Model):
        return value.pk
    return value if isinstance(value, str | int | float | bool | None) else str(value)


@admin.register(Product)
class ProductAdmin(NotedAdmin):
    list_display = ("external_id", "title", "category", "seller", "created_at")
    list_filter = ("category",)
    search_fields = ("external_id", "title", "seller")
    readonly_fields = ("external_id", "seller", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Image)
class ImageAdmin(NotedAdmin):
    list_display = ("id", "name", "product", "width", "height", "source_format", "is_hidden", "created_at")
    list_filter = ("is_hidden", "source_format", "is_animated")
    search_fields = ("=digest", "name", "product__title", "product__external_id")
    list_select_related = ("product",)
    date_hierarchy = "created_at"
    fields = ("digest", "product", "name", "width", "height", "byte_count", "jpeg_quality", "is_hidden")
    readonly_fields = ("digest", "product", "name", "width", "height", "byte_count", "jpeg_quality")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(StoredFeatures)
class StoredFeaturesAdmin(LookOnlyAdmin):
    list_display = ("id", "image", "version", "created_at")
    list_filter = ("version",)
    list_select_related = ("image",)
    search_fields = ("=image__id", "=image__digest")
    fields = ("image", "version", "measures", "findings", "created_at")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[models.Model]:
        return super().get_queryset(request).defer("vector", "embedding")


@admin.register(OutsideLabel)
class OutsideLabelAdmin(LookOnlyAdmin):
    list_display = ("id", "image", "kind", "who", "score", "is_counted", "job", "created_at")
    list_filter = ("kind", "is_counted")
    list_select_related = ("image", "job")
    search_fields = ("=image__id", "who")


@admin.register(ShadowScore)
class ShadowScoreAdmin(LookOnlyAdmin):
    list_display = ("id", "image", "model", "overall_score", "seconds", "created_at")
    list_filter = ("model",)
    list_select_related = ("image", "model")
    search_fields = ("=image__id",)


@admin.register(Score)
class ScoreAdmin(LookOnlyAdmin):
    list_display = ("id", "image", "model", "overall_score", "overall_std", "created_at")
    list_filter = (("model", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("image", "model")
    search_fields = ("=image__id", "=image__digest", "image__name")


@admin.register(ScoringJob)
class ScoringJobAdmin(LookOnlyAdmin):
    list_display = ("id", "image", "state", "attempts", "finished_at", "error")
    list_filter = ("state",)
    list_select_related = ("image",)
    search_fields = ("=image__id", "error")
    actions = ("retry",)

    @admin.action(description=_("Score every picture again that was given up"))
    def retry(self, request: HttpRequest, jobs: models.QuerySet[models.Model]) -> None:
        """All of them, whatever is ticked: what made one fail is mended for all."""
        count = score_retry(by=person_of(request))
        self.message_user(request, gettext("Pictures that wait again: {count}").format(count=count))


@admin.register(ModelVersion)
class ModelVersionAdmin(LookOnlyAdmin):
    list_display = ("name", "kind", "state", "dataset", "feature_version", "created_at", "promoted_at")
    list_filter = ("kind", "state")
    list_select_related = ("dataset",)
    search_fields = ("name", "=weights_digest")


@admin.register(Serving)
class ServingAdmin(LookOnlyAdmin):
    list_display = ("champion", "displayed", "previous", "switched_at")
    list_select_related = ("champion", "displayed", "previous")


@admin.register(DatasetVersion)
class DatasetVersionAdmin(LookOnlyAdmin):
    list_display = ("name", "row_count", "short_digest", "created_by", "created_at")
    list_select_related = ("created_by",)
    search_fields = ("name", "digest", "note")

    @admin.display(description=_("digest"), ordering="digest")
    def short_digest(self, version: DatasetVersion) -> str:
        return version.digest[:12]


@admin.register(DatasetRow)
class DatasetRowAdmin(LookOnlyAdmin):
    list_display = ("id", "dataset", "image", "split", "target_score", "target_std", "vote_count", "category")
    list_filter = (("dataset", admin.RelatedOnlyFieldListFilter), "split")
    list_select_related = ("dataset", "image")
    search_fields = ("=image__id", "group", "category")


@admin.register(TrainingRun)
class TrainingRunAdmin(LookOnlyAdmin):
    list_display = ("id", "kind", "state", "trigger", "dataset", "candidate", "started_by", "created_at")
    list_filter = ("state", "kind", "trigger")
    list_select_related = ("dataset", "candidate", "started_by")
    search_fields = ("=id", "dataset__name", "error")


@admin.register(ImportJob)
class ImportJobAdmin(LookOnlyAdmin):
    list_display = ("id", "kind", "label", "state", "created_by", "created_at", "finished_at")
    list_filter = ("state", "kind")
    list_select_related = ("created_by",)
    search_fields = ("label", "source", "error")


@admin.register(ImportRow)
class ImportRowAdmin(LookOnlyAdmin):
    list_display = ("id", "job", "position", "reference", "state", "code")
    list_filter = ("state", "code")
    list_select_related = ("job",)
    search_fields = ("=job__id", "reference", "product_id")


@admin.register(Event)
class EventAdmin(LookOnlyAdmin):
    list_display = ("at", "actor", "verb", "target", "target_id")
    list_filter = ("verb", ("actor", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("actor",)
    search_fields = ("verb", "target", "=target_id")
    date_hierarchy = "at"
