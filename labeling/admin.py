"""Django admin of the people's room: for looking. A change made here leaves an event like elsewhere."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from labeling.models import (
    Annotation,
    Appeal,
    Assignment,
    CategoryQuota,
    Comment,
    Comparison,
    Consensus,
    ExportJob,
    Flag,
    GoldQuestion,
    Item,
    Membership,
    Mention,
    Panel,
    Probe,
    ProbeAnswer,
    Project,
    RaterProfile,
    Review,
    SellerSide,
    Skip,
)
from scoring.admin import LookOnlyAdmin, NotedAdmin


@admin.register(Project)
class ProjectAdmin(NotedAdmin):
    list_display = ("name", "overlap", "max_overlap", "order", "takes_new_images", "is_archived")
    list_filter = ("is_archived", "order")
    search_fields = ("name",)


@admin.register(Membership)
class MembershipAdmin(NotedAdmin):
    list_display = ("user", "project", "role", "is_paused", "created_at")
    list_filter = ("role", "is_paused", "project")
    list_select_related = ("user", "project")
    search_fields = ("user__username", "project__name")
    autocomplete_fields = ("user", "project")

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        return ("user", "project") if obj else ()


@admin.register(Item)
class ItemAdmin(LookOnlyAdmin):
    list_display = ("id", "project", "image", "state", "priority", "is_holdout", "returned_to")
    list_filter = ("state", "is_holdout", "project")
    list_select_related = ("project", "image", "returned_to")
    search_fields = ("=id", "=image__id", "image__name", "image__product__title")


@admin.register(Assignment)
class AssignmentAdmin(LookOnlyAdmin):
    list_display = ("id", "item", "slot", "user", "state", "lease_until", "is_blind")
    list_filter = ("state", "is_blind", "project")
    list_select_related = ("item", "user")
    search_fields = ("=item__id", "user__username")


@admin.register(Comment)
class CommentAdmin(LookOnlyAdmin):
    list_display = ("id", "item", "author", "text", "created_at")
    list_select_related = ("item", "author")
    search_fields = ("=item__id", "author__username", "text")


@admin.register(Mention)
class MentionAdmin(LookOnlyAdmin):
    list_display = ("id", "comment", "user", "seen_at")
    list_select_related = ("comment", "user")
    search_fields = ("=comment__id", "user__username")


@admin.register(Comparison)
class ComparisonAdmin(LookOnlyAdmin):
    list_display = ("id", "project", "left", "right", "answer", "rater", "is_withdrawn", "created_at")
    list_filter = ("answer", "is_withdrawn", "project")
    list_select_related = ("project", "rater", "left", "right")
    search_fields = ("=left__id", "=right__id", "rater__username")


@admin.register(Skip)
class SkipAdmin(LookOnlyAdmin):
    list_display = ("item", "user", "created_at")
    list_select_related = ("item", "user")
    search_fields = ("=item__id", "user__username")


@admin.register(Annotation)
class AnnotationAdmin(LookOnlyAdmin):
    list_display = (
        "id",
        "item",
        "rater",
        "rating",
        "is_accepted",
        "is_withdrawn",
        "is_flagged",
        "created_at",
    )
    list_filter = ("rating", "is_accepted", "is_withdrawn", "is_flagged", "is_planted")
    list_select_related = ("item", "rater")
    search_fields = ("=item__id", "rater__username", "note")
    date_hierarchy = "created_at"


@admin.register(Consensus)
class ConsensusAdmin(LookOnlyAdmin):
    list_display = ("item", "mos", "ci_low", "ci_high", "vote_count", "settled_at")
    list_select_related = ("item",)
    search_fields = ("=item__id", "=item__image__id")


@admin.register(Panel)
class PanelAdmin(LookOnlyAdmin):
    list_display = ("project", "agreement", "prior_mos", "noise_std", "vote_count", "solved_at")
    list_select_related = ("project",)


@admin.register(RaterProfile)
class RaterProfileAdmin(LookOnlyAdmin):
    list_display = ("user", "project", "bias", "noise_std", "weight", "vote_count")
    list_filter = ("project",)
    list_select_related = ("user", "project")
    search_fields = ("user__username",)


@admin.register(ExportJob)
class ExportJobAdmin(LookOnlyAdmin):
    list_display = ("id", "form", "dataset", "project", "state", "total", "created_by", "created_at")
    list_filter = ("form", "state")
    list_select_related = ("dataset", "project", "created_by")


@admin.register(Flag)
class FlagAdmin(LookOnlyAdmin):
    list_display = ("id", "item", "reason", "raised_at", "cleared_at")
    list_filter = ("reason", ("cleared_at", admin.EmptyFieldListFilter))
    list_select_related = ("item",)
    search_fields = ("=item__id",)


@admin.register(Review)
class ReviewAdmin(LookOnlyAdmin):
    list_display = ("id", "item", "reviewer", "decision", "fixed_rating", "reason", "created_at")
    list_filter = ("decision",)
    list_select_related = ("item", "reviewer")
    search_fields = ("=item__id", "reviewer__username", "reason")
    date_hierarchy = "created_at"


@admin.register(GoldQuestion)
class GoldQuestionAdmin(LookOnlyAdmin):
    list_display = ("id", "project", "kind", "fault", "expected_low", "expected_high", "retired_at")
    list_filter = ("kind", "fault", "project")
    list_select_related = ("project",)
    search_fields = ("=image__id", "=source__id")


@admin.register(Probe)
class ProbeAdmin(LookOnlyAdmin):
    list_display = ("id", "user", "project", "kind", "state", "image", "opened_at")
    list_filter = ("kind", "state", "project")
    list_select_related = ("user", "project", "image")
    search_fields = ("=image__id", "user__username")


@admin.register(ProbeAnswer)
class ProbeAnswerAdmin(LookOnlyAdmin):
    list_display = ("id", "rater", "rating", "is_right", "is_accepted", "is_withdrawn", "created_at")
    list_filter = ("is_right", "is_withdrawn")
    list_select_related = ("rater",)
    search_fields = ("=probe__id", "rater__username")


@admin.register(CategoryQuota)
class CategoryQuotaAdmin(LookOnlyAdmin):
    list_display = ("project", "category", "share")
    list_filter = ("project",)
    list_select_related = ("project",)
    search_fields = ("category",)


@admin.register(Appeal)
class AppealAdmin(LookOnlyAdmin):
    list_display = ("id", "membership", "answer", "answered_by", "created_at")
    list_filter = ("answer",)
    list_select_related = ("membership", "answered_by")
    search_fields = ("membership__user__username", "text")


@admin.register(SellerSide)
class SellerSideAdmin(LookOnlyAdmin):
    list_display = ("project", "seller", "side", "drawn_at")
    list_filter = ("side", "project")
    list_select_related = ("project",)
    search_fields = ("seller",)
