"""Comparing two pictures: asked once, stored once, and the label listens."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from labeling.annotate import annotation_submit
from labeling.compare import (
    comparison_submit,
    comparison_withdraw,
    live_comparisons,
    no_pairs_words,
    pairs_next,
    recent_comparisons,
)
from labeling.consensus import consensus_settle, consensus_solve
from labeling.models import Assignment, Comparison, Consensus, Item, Membership, Project, RaterProfile
from scoring.errors import BadInputError, ConflictError, NotAllowedError, NotThereError
from scoring.models import Event, Product
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

pytestmark = pytest.mark.django_db


def near_the_limit(cast: Cast, count: int, *, overall: float = 60.0, std: float = 8.0) -> list[Item]:
    """Items whose score stands on the limit of good."""
    found = []
    for _ in range(count):
        item = item_make(cast.project)
        score_make(item.image, overall=overall, std=std)
        found.append(item)
    return found


def voted(cast: Cast, item: Item, *ratings: int) -> None:
    for user, rating in zip((cast.ann, cast.ben), ratings, strict=False):
        slot = item.assignments.filter(user=None).order_by("slot")[0]
        Assignment.objects.filter(pk=slot.pk).update(user=user, state="leased")
        annotation_submit(user=user, assignment_id=slot.pk, key=uuid4(), rating=rating)
    consensus_settle(item_id=item.pk)


def said(cast: Cast, left: Item, right: Item, answer: str = "left", **more: object) -> Comparison:
    told = {"user": cast.ann, "key": uuid4(), **more}
    return comparison_submit(left_id=left.pk, right_id=right.pk, answer=answer, **told)  # type: ignore[arg-type]


# --- what is asked ----------------------------------------------------------------------------------------
def test_pairs_are_pictures_near_a_limit_that_show_no_score(cast: Cast) -> None:
    close = near_the_limit(cast, 2)
    near_the_limit(cast, 3, overall=97.0, std=2.0)
    (pair,) = pairs_next(user=cast.ann, project=cast.project)
    assert {pair["left"]["item"], pair["right"]["item"]} == {item.pk for item in close}
    assert set(pair["left"]) == {
        "item", "image", "picture", "thumbnail", "width", "height", "title", "category",
    }  # fmt: skip


def test_a_pair_is_asked_once_a_person(cast: Cast) -> None:
    one, other = near_the_limit(cast, 2)
    said(cast, one, other)
    assert pairs_next(user=cast.ann, project=cast.project) == []
    assert len(pairs_next(user=cast.ben, project=cast.project)) == 1


def test_a_page_that_holds_some_pictures_gets_others(cast: Cast) -> None:
    items = near_the_limit(cast, 6)
    held = [item.pk for item in items[:2]]
    found = pairs_next(user=cast.ann, project=cast.project, count=5, holding=held)
    assert len(found) == 2
    assert not set(held) & {side["item"] for pair in found for side in (pair["left"], pair["right"])}


def test_two_pictures_of_one_product_hidden_and_decided_ones_are_not_asked_about(cast: Cast) -> None:
    product = Product.objects.create(external_id="twins", category="mugs")
    for _ in range(2):
        score_make(item_make(cast.project, image=image_make(product=product)).image, std=8)
    assert pairs_next(user=cast.ann, project=cast.project) == []
    hidden, decided = near_the_limit(cast, 2)
    Item.objects.filter(pk=decided.pk).update(state="approved")
    hidden.image.is_hidden = True
    hidden.image.save()
    assert pairs_next(user=cast.ann, project=cast.project) == []


def test_strangers_and_paused_people_are_asked_nothing(cast: Cast) -> None:
    one, other = near_the_limit(cast, 2)
    with pytest.raises(NotThereError):
        pairs_next(user=cast.mallory, project=cast.project)
    with pytest.raises(NotThereError):
        said(cast, one, other, user=cast.mallory)
    Membership.objects.filter(user=cast.ann).update(is_paused=True)
    with pytest.raises(NotAllowedError):
        pairs_next(user=cast.ann, project=cast.project)
    with pytest.raises(NotAllowedError):
        said(cast, one, other)
    assert not Comparison.objects.exists()


def test_newcomers_first_qualify_on_the_label_page(cast: Cast) -> None:
    near_the_limit(cast, 2)
    Project.objects.update(qualification_count=3)
    assert pairs_next(user=cast.ann, project=cast.project) == []
    assert "qualification" in no_pairs_words(user=cast.ann, project=cast.project)
    assert len(pairs_next(user=cast.rui, project=cast.project)) == 1
    Membership.objects.filter(user=cast.ann).update(qualified_at=timezone.now())
    assert len(pairs_next(user=cast.ann, project=cast.project)) == 1


# --- what is stored ---------------------------------------------------------------------------------------
def test_a_comparison_is_stored_with_its_event_and_both_items_are_due(cast: Cast) -> None:
    one, other = near_the_limit(cast, 2)
    row = said(cast, one, other, "right", duration_ms=1200)
    assert (row.left_id, row.right_id, row.answer, row.duration_ms) == (one.pk, other.pk, "right", 1200)
    assert set(Item.objects.filter(is_due=True)) == {one, other}
    event = Event.objects.get(verb="compare.submit")
    assert event.after == {"left": one.pk, "right": other.pk, "answer": "right"}


def test_the_same_key_is_one_comparison_and_with_another_answer_refused(cast: Cast) -> None:
    one, other = near_the_limit(cast, 2)
    key = uuid4()
    first = said(cast, one, other, key=key)
    assert said(cast, one, other, key=key) == first
    with pytest.raises(BadInputError) as refusal:
        said(cast, one, other, "cannot_say", key=key)
    assert refusal.value.code == "key_reused"
    assert Comparison.objects.count() == Event.objects.filter(verb="compare.submit").count() == 1


def test_a_pair_is_answered_once_whichever_way_round(cast: Cast) -> None:
    one, other = near_the_limit(cast, 2)
    said(cast, one, other)
    with pytest.raises(ConflictError) as refusal:
        said(cast, other, one)
    assert refusal.value.code == "already_compared"
    with pytest.raises(IntegrityError, match="a_person_compares_two_pictures_once"), transaction.atomic():
        Comparison.objects.create(
            project=cast.project, left=other, right=one, rater=cast.ann, answer="left", key=uuid4()
        )
    assert said(cast, one, other, user=cast.ben).rater == cast.ben
    assert live_comparisons().count() == 2


def test_undo_takes_it_back_and_the_pair_can_be_answered_again(cast: Cast) -> None:
    one, other = near_the_limit(cast, 2)
    first, key = said(cast, one, other), uuid4()
    undone = comparison_withdraw(user=cast.ann, comparison_id=first.pk, key=key)
    assert comparison_withdraw(user=cast.ann, comparison_id=first.pk, key=key) == undone
    assert not live_comparisons().exists()
    again = said(cast, other, one)
    assert again.supersedes == undone
    assert recent_comparisons(user=cast.ann, project=cast.project) == [again]
    with pytest.raises(ConflictError):
        comparison_withdraw(user=cast.ann, comparison_id=first.pk, key=uuid4())
    with pytest.raises(NotThereError):
        comparison_withdraw(user=cast.ben, comparison_id=again.pk, key=uuid4())


def test_the_database_changes_and_forgets_no_comparison(cast: Cast) -> None:
    one, other = near_the_limit(cast, 2)
    row = said(cast, one, other)
    with pytest.raises(DatabaseError), transaction.atomic():
        Comparison.objects.filter(pk=row.pk).update(answer="right")
    with pytest.raises(DatabaseError), transaction.atomic():
        Comparison.objects.filter(pk=row.pk).delete()
    assert Comparison.objects.get().answer == "left"


@pytest.mark.parametrize("answer", ["", "both", "LEFT"])
def test_an_answer_that_is_none_is_refused(cast: Cast, answer: str) -> None:
    one, other = near_the_limit(cast, 2)
    with pytest.raises(BadInputError):
        said(cast, one, other, answer)
    with pytest.raises(BadInputError):
        said(cast, one, one)
    assert not Comparison.objects.exists()


def test_pictures_of_two_projects_are_no_pair(cast: Cast) -> None:
    (one,) = near_the_limit(cast, 1)
    foreign = item_make(Project.objects.create(name="Elsewhere"))
    with pytest.raises(NotThereError):
        said(cast, one, foreign)


# --- what becomes of it -----------------------------------------------------------------------------------
def test_a_comparison_moves_both_labels_and_narrows_their_intervals(cast: Cast) -> None:
    one, other = near_the_limit(cast, 2)
    for item in (one, other):
        voted(cast, item, 3, 3)
    before = Consensus.objects.get(item=one)
    said(cast, one, other)
    labels = [consensus_settle(item_id=item.pk) for item in (one, other)]
    better, worse = labels
    assert better is not None
    assert worse is not None
    assert better.mos > 3.05 > 2.95 > worse.mos
    assert better.std_error < before.std_error
    assert (better.comparison_count, better.vote_count) == (1, 2)
    comparison_withdraw(user=cast.ann, comparison_id=Comparison.objects.get().pk, key=uuid4())
    after = consensus_settle(item_id=one.pk)
    assert after is not None
    assert (after.mos, after.std_error, after.comparison_count) == (3.0, before.std_error, 0)


def test_without_a_vote_there_is_no_label_however_often_it_is_compared(cast: Cast) -> None:
    one, other = near_the_limit(cast, 2)
    said(cast, one, other)
    assert consensus_settle(item_id=one.pk) is None
    assert not Item.objects.get(pk=one.pk).is_due


def test_what_a_reviewer_decided_stands_against_comparisons(cast: Cast) -> None:
    one, other = near_the_limit(cast, 2)
    Item.objects.filter(pk=one.pk).update(state="approved")
    said(cast, one, other)
    assert list(Item.objects.filter(is_due=True)) == [other]


def test_the_solve_fits_all_comparisons_and_says_who_sees_differences(cast: Cast) -> None:
    items = near_the_limit(cast, 40)
    for number, item in enumerate(items):
        voted(cast, item, 2 + number % 3, 2 + number % 3)
    before = {row.item_id: row for row in Consensus.objects.all()}
    for number in range(38):  # Ann compares as the votes say; Rui, who never voted, the other way round
        one, other = items[number], items[number + 1]
        higher = "left" if number % 3 > (number + 1) % 3 else "right"
        said(cast, one, other, higher)
        said(cast, one, other, "right" if higher == "left" else "left", user=cast.rui)
    for item in items:
        consensus_settle(item_id=item.pk)
    Consensus.objects.update(settled_at="2020-01-01T00:00Z")
    consensus_solve(project=cast.project)
    gains = dict(RaterProfile.objects.values_list("user__username", "pair_gain"))
    assert gains["ann"] > 0.7 > 0.4 > gains["rui"]
    after = {row.item_id: row for row in Consensus.objects.all()}
    compared = [item.pk for item in items[1:-2]]
    assert all(after[pk].std_error < before[pk].std_error for pk in compared)
