"""Station 5, consensus: the votes on an item become its label, or a reason to ask a reviewer.

Settling one item reads that item's votes and what the last solve said of its voters (panel.py), never all
votes. While people disagree the item gets one more slot, up to what the project allows. A reviewer's
decision stands: items decided on are left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F

from labeling.annotate import DECIDED
from labeling.core.consensus import Label, interval_of, label_of
from labeling.core.flags import ANNOTATOR, DISAGREEMENT, Facts, Verdict, verdicts_of, votes_wanted
from labeling.core.raters import Eye, probability_of
from labeling.flags import flags_write
from labeling.fusion import Row, comparisons_of, label_fuse, opponents_of
from labeling.locks import due_item_lock, item_lock
from labeling.models import Annotation, Assignment, Consensus, Item, Membership, Skip
from labeling.panel import People, consensus_solve, consensus_solve_due, counted_annotations, people_known
from scoring.core.types import ACR_HIGH, ACR_LOW, score_from_vote
from scoring.events import event_note
from scoring.models import Score
from scoring.score import displayed_scores

__all__ = [
    "consensus_settle",
    "consensus_settle_due",
    "consensus_solve",
    "consensus_solve_due",
    "label_fix",
    "labels_of",
    "others_exist",
    "slots_open",
]

log = logging.getLogger(__name__)
Slot = Assignment.State
State = Item.State
FIX_STD_ERROR = 0.3  # a reviewer has looked twice, but is one person
LABEL_FIELDS = ("mos", "mos_score", "std_error", "ci_low", "ci_high")
VOTE_FIELDS = ("vote_count", "comparison_count", "histogram", "dimensions", "defects")


def labels_of(*, item_ids: Iterable[int]) -> dict[int, Consensus]:
    """Labels by item id, in one query; items without a label are absent."""
    return {label.item_id: label for label in Consensus.objects.filter(item_id__in=list(item_ids))}


def consensus_settle_due(*, limit: int = 500) -> int:
    """By the clock: settle what no knock was heard for, then solve projects that have new votes."""
    settled = consensus_settle_new(limit=limit)
    consensus_solve_due()
    return settled


def consensus_settle_new(*, limit: int = 500) -> int:
    """Settle items that votes came in for, one transaction each; returns how many.

    Workers that do this at the same time share the work: each takes items that no other holds.
    """
    tried: list[int] = []
    settled = 0
    for _ in range(limit):
        try:
            with transaction.atomic():
                item = due_item_lock(but=tried)
                if item is None:
                    return settled
                tried.append(item.pk)
                _settle(item)
            settled += 1
        except (OperationalError, InterfaceError):  # the database itself is away
            raise
        except Exception:  # one item that cannot be settled must not hold up all others for ever
            log.exception("item %s could not be settled", tried[-1:])
    return settled


@transaction.atomic
def consensus_settle(*, item_id: int) -> Consensus | None:
    """Write the item's label from its votes; settle it, ask for one more vote, or flag it.

    None where nobody's vote counts. Safe to repeat.
    """
    return _settle(item_lock(item_id))


def _settle(item: Item) -> Consensus | None:
    """``consensus_settle`` for whoever holds the item."""
    if item.state in DECIDED:
        Item.objects.filter(pk=item.pk, is_due=True).update(is_due=False)
        return Consensus.objects.filter(item=item).first()
    votes = list(counted_annotations().filter(item_id=item.pk).order_by("id"))
    rows = comparisons_of(item.pk) if votes else []
    theirs = _votes_on(opponents_of(rows, item.pk))
    voters = [vote.rater_id for each in (votes, *theirs.values()) for vote in each]
    people = people_known(project_id=item.project_id, user_ids=[*voters, *(row[3] for row in rows)])
    label = _label_write(item, votes, people, rows, theirs)
    wanted = _wanted(item, votes, people)
    asked = max(wanted, item.project.holdout_votes) if item.is_holdout else wanted
    if len(votes) < asked:
        slots_open(item, asked - len(votes))
    else:
        _slots_close(item)
    _route(item, _verdicts(item, votes, people, label), is_enough=len(votes) >= wanted)
    return label


def label_fix(*, item_id: int, rating: int) -> Consensus:
    """The label a reviewer set; the caller holds the item. The votes stay beside it for everybody to see."""
    label = _columns(interval_of(float(rating), FIX_STD_ERROR))
    nothing = {"vote_count": 0, "histogram": [0] * (ACR_HIGH - ACR_LOW + 1)}
    row, _made = Consensus.objects.update_or_create(
        item_id=item_id, defaults=label, create_defaults={**label, **nothing}
    )
    return row


def _votes_on(item_ids: Iterable[int]) -> dict[int, list[Annotation]]:
    """Votes that count on other items, by item."""
    ids, found = set(item_ids), dict[int, list[Annotation]]()
    for vote in counted_annotations().filter(item_id__in=ids) if ids else ():
        found.setdefault(vote.item_id, []).append(vote)
    return found


def _rated(votes: Sequence[Annotation], people: People) -> Label:
    """The label the votes alone make."""
    pairs = [(float(vote.rating or 0), people.rater(vote.rater_id)) for vote in votes]
    return label_of(pairs, prior=people.prior)


def _label(
    item: Item,
    votes: Sequence[Annotation],
    people: People,
    rows: Sequence[Row],
    theirs: Mapping[int, Sequence[Annotation]],
) -> Label:
    """The label of votes and comparisons together."""
    label = _rated(votes, people)
    if not rows:
        return label
    known = {item.pk: label} | {other: _rated(each, people) for other, each in theirs.items()}
    return label_fuse(item.pk, known, rows, prior=people.prior, scale=people.scale, gains=people.pair_gains)


def _label_write(
    item: Item,
    votes: Sequence[Annotation],
    people: People,
    rows: Sequence[Row],
    theirs: Mapping[int, Sequence[Annotation]],
) -> Consensus | None:
    if not votes:
        Consensus.objects.filter(item=item).delete()
        return None
    ratings = [vote.rating or 0 for vote in votes]
    row = Consensus(
        item=item,
        vote_count=len(votes),
        comparison_count=len(rows),
        histogram=[ratings.count(grade) for grade in range(ACR_LOW, ACR_HIGH + 1)],
        dimensions=_dimensions(votes),
        defects=_defects(votes, people),
        **_columns(_label(item, votes, people, rows, theirs)),
    )
    Consensus.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["item"],
        update_fields=[*LABEL_FIELDS, *VOTE_FIELDS, "settled_at"],
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


def _dimensions(votes: Sequence[Annotation]) -> dict[str, float]:
    """Mean grade of each dimension somebody rated."""
    grades: dict[str, list[float]] = {}
    for vote in votes:
        for name, grade in vote.dimensions.items():
            grades.setdefault(name, []).append(float(grade))
    return {name: round(sum(each) / len(each), 4) for name, each in grades.items()}


def _defects(votes: Sequence[Annotation], people: People) -> dict[str, float]:
    """Probability of each defect somebody spoke of."""
    said: dict[str, list[tuple[bool, Eye]]] = {}
    for vote in votes:
        for name, there in vote.defects.items():
            said.setdefault(name, []).append((bool(there), people.eye(vote.rater_id)))
    return {
        name: round(probability_of(answers, prevalence=people.defect_rate), 4)
        for name, answers in said.items()
    }


def _fair(votes: Sequence[Annotation], people: People) -> list[float]:
    """Ratings freed of each person's bias."""
    return [(vote.rating or 0) - people.rater(vote.rater_id).bias for vote in votes]


def _wanted(item: Item, votes: Sequence[Annotation], people: People) -> int:
    """Votes that make the label. Held back to judge the model by, an item goes on collecting beyond them."""
    overlap = item.project.overlap
    most = overlap if item.is_holdout else item.project.max_overlap
    wanted = votes_wanted(_fair(votes, people), overlap=overlap, max_overlap=most)
    # A returned image waits for its author, however many others have voted.
    return max(wanted, len(votes) + 1) if item.returned_to_id is not None else wanted


def slots_open(item: Item, needed: int) -> None:
    """See to it that so many slots can be voted on: closed ones are opened again, then new ones made."""
    slots = list(Assignment.objects.filter(item_id=item.pk).order_by("slot"))
    needed -= sum(slot.state in (Slot.FREE, Slot.LEASED) for slot in slots)
    closed = [slot.pk for slot in slots if slot.state == Slot.CLOSED][: max(0, needed)]
    if closed:
        Assignment.objects.filter(pk__in=closed, state=Slot.CLOSED).update(
            state=Slot.FREE, user=None, lease_until=None
        )
    first = 1 + max((slot.slot for slot in slots), default=0)
    Assignment.objects.bulk_create(
        Assignment(
            item_id=item.pk,
            project_id=item.project_id,
            slot=slot,
            priority=item.priority,
            is_blind=item.is_holdout,
        )
        for slot in range(first, first + needed - len(closed))
    )


def _slots_close(item: Item) -> None:
    """Nobody is asked any more; who has the image before them may still vote."""
    Assignment.objects.filter(item_id=item.pk, state=Slot.FREE).update(state=Slot.CLOSED)


def _verdicts(
    item: Item, votes: Sequence[Annotation], people: People, label: Consensus | None
) -> list[Verdict]:
    """Reasons to look again. A yardstick is neither chosen nor mended by the model's rules: of an item held
    back only a person's flag counts."""
    if label is None:
        return []
    score: Score | None = displayed_scores().filter(image_id=item.image_id).first()
    flagged = [vote for vote in votes if vote.is_flagged]
    facts = Facts(
        ratings=[vote.rating or 0 for vote in votes],
        fair=_fair(votes, people),
        mos_score=label.mos_score,
        label_std=label.std_error,
        model_score=score.overall_score if score else None,
        model_std=score.overall_std if score else 0.0,
        model_says={found["defect"]: found["probability"] for found in score.findings} if score else {},
        people_say=label.defects,
        flag_count=len(flagged),
        notes=[vote.note for vote in flagged],
    )
    return [each for each in verdicts_of(facts) if each.reason == ANNOTATOR or not item.is_holdout]


def _route(item: Item, verdicts: Sequence[Verdict], *, is_enough: bool) -> None:
    """Flags and state of the item. Before there are enough votes only what cannot wait is flagged."""
    if not is_enough:
        verdicts = [verdict for verdict in verdicts if _is_urgent(item, verdict)]
    flags_write(item_id=item.pk, verdicts=verdicts)
    state = State.FLAGGED if verdicts else State.SETTLED if is_enough else State.OPEN
    if state != item.state or item.is_due:
        Item.objects.filter(pk=item.pk).update(state=state, version=F("version") + 1, is_due=False)
    if state != item.state:
        reasons = {"reasons": [verdict.reason for verdict in verdicts]} if verdicts else {}
        event_note(
            actor=None,
            verb="consensus.settle",
            target=item,
            before={"state": item.state},
            after={"state": state} | reasons,
        )


def _is_urgent(item: Item, verdict: Verdict) -> bool:
    """An annotator's flag does not wait; nor does a dispute that no further annotator can settle."""
    if verdict.reason == ANNOTATOR:
        return True
    return verdict.reason == DISAGREEMENT and not others_exist(item)


def others_exist(item: Item) -> bool:
    """Whether an annotator is left who has neither voted on the item nor passed on it."""
    able = Membership.objects.filter(
        project_id=item.project_id, role=Membership.Role.ANNOTATOR, is_paused=False, user__is_active=True
    )
    voted = Assignment.objects.filter(item_id=item.pk, state=Slot.SUBMITTED).values("user_id")
    passed = Skip.objects.filter(item_id=item.pk).values("user_id")
    return able.exclude(user_id__in=voted).exclude(user_id__in=passed).exists()
