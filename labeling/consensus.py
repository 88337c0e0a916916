"""Station 5, consensus: the votes on an item become its label, or a reason to ask a reviewer.

Settling one item reads that item's votes and what the last solve said of its voters, never all votes;
the solve over a whole project runs by the clock. A reviewer's decision stands: decided items are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max

from labeling.annotate import DECIDED, live_annotations
from labeling.core.consensus import Label, Prior, Rater, interval_of, label_of
from labeling.core.flags import DISAGREEMENT, Facts, Verdict, verdicts_of
from labeling.flags import flag_raise, flags_clear
from labeling.locks import item_lock
from labeling.models import Annotation, Assignment, Consensus, Item, Panel, RaterProfile
from scoring.core.types import score_from_vote
from scoring.models import Score
from scoring.score import scores_of

Slot = Assignment.State
FIX_STD_ERROR = 0.3  # a reviewer has looked twice, but is one person


def labels_of(*, item_ids: Iterable[int]) -> dict[int, Consensus]:
    """Labels by item id, in one query."""
    return {label.item_id: label for label in Consensus.objects.filter(item_id__in=list(item_ids))}


def consensus_settle_due(*, limit: int = 500) -> int:
    """Settle items whose wake-up was lost; returns how many."""
    due = list(Item.objects.filter(is_due=True).order_by("pk").values_list("pk", flat=True)[:limit])
    for item_id in due:
        consensus_settle(item_id=item_id)
    return len(due)


@transaction.atomic
def consensus_settle(*, item_id: int) -> Consensus | None:
    """Write the item's label from its live votes; settle it, ask for one more vote, or flag it."""
    item = item_lock(item_id)
    if item.state in DECIDED:
        Item.objects.filter(pk=item.pk, is_due=True).update(is_due=False)
        return Consensus.objects.filter(item=item).first()
    votes = list(live_annotations().filter(item_id=item.pk).order_by("id"))
    if not votes:
        Consensus.objects.filter(item=item).delete()
        flags_clear(item_id=item.pk)
        _state_write(item, Item.State.OPEN)
        return None
    label = _label_write(item, votes)
    verdicts = verdicts_of(_facts(item, votes, label))
    _state_write(item, _state_after(item, verdicts))
    return label


def label_fix(*, item_id: int, rating: int) -> Consensus:
    """The label a reviewer set; the caller holds the item. The votes stay beside it for everybody to see."""
    label = interval_of(float(rating), FIX_STD_ERROR)
    row, _made = Consensus.objects.update_or_create(
        item_id=item_id,
        defaults=_columns(label),
        create_defaults={**_columns(label), "vote_count": 0, "histogram": [0] * 5},
    )
    return row


def _columns(label: Label) -> dict[str, float]:
    return {
        "mos": label.mos,
        "mos_score": score_from_vote(label.mos),
        "std_error": label.std_error,
        "ci_low": label.ci_low,
        "ci_high": label.ci_high,
    }


def _label_write(item: Item, votes: Sequence[Annotation]) -> Consensus:
    ratings = [vote.rating or 0 for vote in votes]
    label = _label(item, votes)
    row, _made = Consensus.objects.update_or_create(
        item=item,
        defaults={
            **_columns(label),
            "vote_count": len(votes),
            "histogram": [ratings.count(grade) for grade in range(1, 6)],
            "dimensions": _means(vote.dimensions for vote in votes),
            "defects": _means(vote.defects for vote in votes),
        },
    )
    return row


def _label(item: Item, votes: Sequence[Annotation]) -> Label:
    panel = Panel.objects.filter(project_id=item.project_id).first()
    prior = Prior(panel.prior_mos, panel.prior_std, panel.noise_std) if panel else Prior()
    known = {
        row.user_id: Rater(row.bias, row.noise_std, row.vote_count)
        for row in RaterProfile.objects.filter(
            project_id=item.project_id, user_id__in=[vote.rater_id for vote in votes]
        )
    }
    stranger = Rater(0.0, prior.noise_std)
    return label_of([(vote.rating or 0, known.get(vote.rater_id, stranger)) for vote in votes], prior=prior)


def _means(said: Iterable[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for each in said:
        for name, value in each.items():
            found.setdefault(name, []).append(float(value))
    return {name: round(sum(values) / len(values), 4) for name, values in found.items()}


def _facts(item: Item, votes: Sequence[Annotation], label: Consensus) -> Facts:
    score: Score | None = scores_of(image_ids=[item.image_id]).get(item.image_id)
    flagged = [vote for vote in votes if vote.is_flagged]
    return Facts(
        ratings=[vote.rating or 0 for vote in votes],
        mos_score=label.mos_score,
        label_std=label.std_error,
        model_score=score.overall_score if score else None,
        model_std=score.overall_std if score else 0.0,
        probabilities={f["defect"]: f["probability"] for f in score.findings} if score else {},
        denied=frozenset(name for name, share in label.defects.items() if share < 0.5),
        notes=[vote.note for vote in flagged],
        annotator_flags=len(flagged),
    )


def _state_after(item: Item, verdicts: Sequence[Verdict]) -> str:
    slots = Assignment.objects.filter(item_id=item.pk)
    pending = slots.filter(state__in=[Slot.FREE, Slot.LEASED]).exists()
    reasons = {verdict.reason for verdict in verdicts}
    if not pending and DISAGREEMENT in reasons and _slot_add(item):
        pending = True
    urgent = [v for v in verdicts if v.reason == "annotator" or not pending]
    for verdict in urgent:
        flag_raise(item_id=item.pk, reason=verdict.reason, evidence=verdict.evidence)
    flags_clear(item_id=item.pk, but=[verdict.reason for verdict in urgent])
    if urgent:
        return Item.State.FLAGGED
    return Item.State.OPEN if pending else Item.State.SETTLED


def _slot_add(item: Item) -> bool:
    """One more slot for an item people disagree on; False when it has as many as the project allows."""
    last = Assignment.objects.filter(item_id=item.pk).aggregate(slot=Max("slot"))["slot"] or 0
    used = Assignment.objects.filter(item_id=item.pk).exclude(state=Slot.CLOSED).count()
    if used >= item.project.max_overlap:
        return False
    Assignment.objects.create(
        item_id=item.pk, project_id=item.project_id, slot=last + 1, priority=item.priority
    )
    return True


def _state_write(item: Item, state: str) -> None:
    Item.objects.filter(pk=item.pk).update(state=state, version=item.version + 1, is_due=False)
