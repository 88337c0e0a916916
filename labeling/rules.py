"""A project's rules: what its admins may set, what makes sense together, and what follows from a change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Exists, FloatField, OuterRef
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.locks import project_lock
from labeling.models import Annotation, CategoryQuota, Item, Membership, Project
from labeling.permissions import Role, require_role
from scoring.errors import BadInputError
from scoring.events import event_note

FIELDS = (
    "name",
    "guidelines",
    "takes_new_images",
    "overlap",
    "max_overlap",
    "order",
    "asks_again",
    "lease_minutes",
    "session_minutes",
    "blind_rate",
    "planted_rate",
    "gold_rate",
    "repeat_rate",
    "warmup_count",
    "least_gold_accuracy",
    "fewest_gold_answers",
    "qualification_count",
    "qualification_pass",
    "holdout_share",
    "holdout_size",
    "holdout_votes",
    "retrain_every_labels",
    "retrain_every_hours",
)
MOST_PROBES = 0.5  # of the pictures a person sees
# field -> (least, most), both included
LIMITS: Mapping[str, tuple[float, float]] = {
    "overlap": (1, 20),
    "max_overlap": (1, 30),
    "lease_minutes": (2, 240),
    "session_minutes": (5, 240),
    "warmup_count": (0, 20),
    "fewest_gold_answers": (3, 200),
    "qualification_count": (0, 30),
    "holdout_share": (0, 0.5),
    "holdout_size": (0, 100_000),
    "holdout_votes": (1, 50),
    "retrain_every_labels": (0, 1_000_000),
    "retrain_every_hours": (0, 8760),
    **dict.fromkeys(
        (
            "blind_rate",
            "planted_rate",
            "gold_rate",
            "repeat_rate",
            "least_gold_accuracy",
            "qualification_pass",
        ),
        (0, 1),
    ),
}
# (field it is told beside, whether it is wrong, what to say)
TOGETHER: tuple[tuple[str, Callable[[Project], bool], Promise], ...] = (
    (
        "max_overlap",
        lambda p: p.max_overlap < p.overlap,
        gettext_lazy("Where people disagree there are at least as many votes as elsewhere."),
    ),
    (
        "gold_rate",
        lambda p: p.gold_rate + p.repeat_rate > MOST_PROBES,
        gettext_lazy("Gold questions and repeats together are at most half of the pictures."),
    ),
    (
        "qualification_count",
        lambda p: 0 < p.qualification_count < 3,
        gettext_lazy("A round has at least three pictures: a bad, a middling and a good one. 0 means none."),
    ),
)

MORE_SLOTS = """
INSERT INTO labeling_assignment (item_id, project_id, slot, state, priority, is_blind)
SELECT t.id, t.project_id, n, 'free', t.priority, random() < %(blind)s
FROM labeling_item t CROSS JOIN generate_series(1, %(overlap)s) AS n
WHERE t.project_id = %(project)s AND t.state = 'open' AND NOT t.is_holdout
ON CONFLICT DO NOTHING
"""
# Slots beyond the new number are shut where nobody holds them; votes that are there stay.
FEWER_SLOTS = """
UPDATE labeling_assignment a SET state = 'closed' FROM labeling_item t
WHERE t.id = a.item_id AND t.project_id = %(project)s AND t.state = 'open' AND NOT t.is_holdout
  AND a.state = 'free' AND a.slot > %(overlap)s
"""
REOPEN = """
UPDATE labeling_assignment a SET state = 'free', user_id = NULL FROM labeling_item t
WHERE t.id = a.item_id AND t.project_id = %(project)s AND t.state = 'open' AND NOT t.is_holdout
  AND a.state = 'closed' AND a.slot <= %(overlap)s
  AND NOT EXISTS (SELECT 1 FROM labeling_annotation v WHERE v.assignment_id = a.id)
"""
# Slots opened on finished labels (again.py), where nobody holds them.
ASK_NO_MORE = """
UPDATE labeling_assignment a SET state = 'closed' FROM labeling_item t
WHERE t.id = a.item_id AND t.project_id = %(project)s AND t.state = 'settled' AND NOT t.is_holdout
  AND a.state = 'free'
"""


class RulesError(BadInputError):
    """What does not make sense, by the name of the field it is told beside."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(" ".join(faults.values()), code="bad_rules")
        self.faults = dict(faults)


@transaction.atomic
def project_change(
    *, by: User, project: Project, changes: Mapping[str, Any], quotas: Mapping[str, float] | None = None
) -> Project:
    """Set the rules of a project; all of them or, with RulesError, none.

    ``quotas`` {category: share 0-1} replaces those there are. More or fewer votes per picture hold for
    pictures that are still open. One event names what changed.
    """
    require_role(by, project, Role.ADMIN)
    project_lock(project)
    fresh = Project.objects.get(pk=project.pk)
    before = {name: getattr(fresh, name) for name in changes}
    for name, value in changes.items():
        setattr(fresh, name, value)
    _require_sense(fresh, quotas)
    moved = {name: value for name, value in changes.items() if value != before[name]}
    told_before, told_after = {name: before[name] for name in moved}, dict(moved)
    if moved:
        fresh.save(update_fields=list(moved))
    if quotas is not None and (old := quotas_of(fresh)) != dict(quotas):
        _quotas_write(fresh, quotas)
        told_before["quotas"], told_after["quotas"] = old, dict(quotas)
    if moved.get("qualification_count"):
        _spare_those_at_work(fresh)
    if "overlap" in moved:
        _slots_fit(fresh)
    if "asks_again" in moved and fresh.asks_again != Project.AsksAgain.ACT:
        with connection.cursor() as cursor:
            cursor.execute(ASK_NO_MORE, {"project": fresh.pk})
    if told_after:
        event_note(actor=by, verb="project.change", target=fresh, before=told_before, after=told_after)
    return fresh


def quotas_of(project: Project) -> dict[str, float]:
    """Share 0-1 by category."""
    return dict(CategoryQuota.objects.filter(project=project).values_list("category", "share"))


def categories_of(project: Project) -> list[str]:
    """Categories of the project's pictures, by name."""
    found = Item.objects.filter(project=project).values_list("image__product__category", flat=True)
    return sorted(name for name in found.distinct() if name)


def _require_sense(project: Project, quotas: Mapping[str, float] | None) -> None:
    faults = {name: words for name, words in _alone(project).items() if words}
    for name, is_wrong, words in TOGETHER:
        if name not in faults and is_wrong(project):
            faults[name] = str(words)
    if quotas and (fault := _quota_fault(project, quotas)):
        faults["quotas"] = fault
    if faults:
        raise RulesError(faults)


def _alone(project: Project) -> dict[str, str]:
    """What each field says for itself."""
    faults: dict[str, str] = {}
    try:
        project.clean_fields()
        project.validate_unique()
    except ValidationError as error:
        faults |= {name: " ".join(words) for name, words in error.message_dict.items()}
    for name, (least, most) in LIMITS.items():
        if not least <= getattr(project, name) <= most:
            faults[name] = _between(name, least, most)
    return faults


def _between(name: str, least: float, most: float) -> str:
    is_share = isinstance(Project._meta.get_field(name), FloatField)
    shown = [f"{value:.0%}" if is_share else f"{value:g}" for value in (least, most)]
    return _("Between {least} and {most}.").format(least=shown[0], most=shown[1])


def _quota_fault(project: Project, quotas: Mapping[str, float]) -> str:
    if strange := sorted(set(quotas) - set(categories_of(project))):
        return _("No picture of this project is in the category {names}.").format(names=", ".join(strange))
    if any(not 0 < share <= 1 for share in quotas.values()):
        return _("A quota lies above 0 % and at most at 100 %.")
    if sum(quotas.values()) > 1 + 1e-9:
        return _("The quotas together are at most 100 %.")
    return ""


def _quotas_write(project: Project, quotas: Mapping[str, float]) -> None:
    CategoryQuota.objects.filter(project=project).delete()
    CategoryQuota.objects.bulk_create(
        CategoryQuota(project=project, category=name, share=share) for name, share in quotas.items()
    )


def _slots_fit(project: Project) -> None:
    values = {"project": project.pk, "overlap": project.overlap, "blind": project.blind_rate}
    with connection.cursor() as cursor:
        for statement in (FEWER_SLOTS, REOPEN, MORE_SLOTS):
            cursor.execute(statement, values)


def _spare_those_at_work(project: Project) -> None:
    """Whoever has voted here already is no newcomer."""
    voted = Annotation.objects.filter(item__project=project, rater_id=OuterRef("user_id"))
    Membership.objects.filter(Exists(voted), project=project, qualified_at=None).update(
        qualified_at=timezone.now()
    )
