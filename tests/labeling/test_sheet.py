"""A sheet of clear cases: leased like any, voted on at once, safe twice, blind ones left out."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from labeling.annotate import live_annotations
from labeling.models import Annotation, Assignment, Item, Membership, Project, Skip
from labeling.queue import lease_next
from labeling.sheet import SheetCards, TileAnswer, no_sheet_words, sheet_confirm, sheet_next, sheet_undo
from scoring.errors import BadInputError, NotAllowedError, NotThereError
from scoring.models import Score
from tests.conftest import Cast
from tests.factories import item_make, score_make

pytestmark = pytest.mark.django_db


def clear_cases(project: Project, count: int, *, overall: float = 95.0) -> list[Item]:
    found = []
    for _ in range(count):
        item = item_make(project)
        score_make(item.image, overall=overall, std=8)
        found.append(item)
    return found


def sheet_for(cast: Cast) -> SheetCards:
    found = sheet_next(user=cast.ann, project=cast.project)
    assert found is not None
    return found


def slots_of(found: SheetCards) -> list[int]:
    return [card["assignment"] for card in found.cards]


def confirmed(found: SheetCards) -> list[TileAnswer]:
    return [
        TileAnswer(card["assignment"], card["prediction"]["id"] if card["prediction"] else None)
        for card in found.cards
    ]


def test_a_sheet_is_leased_clear_cases_of_one_grade(cast: Cast) -> None:
    clear_cases(cast.project, 8)
    clear_cases(cast.project, 5, overall=70)
    found = sheet_for(cast)
    assert (found.rating, len(found.cards)) == (5, 8)
    assert {card["prediction"]["rating"] for card in found.cards if card["prediction"]} == {5}
    held = Assignment.objects.filter(state="leased", user=cast.ann)
    assert set(held.values_list("pk", flat=True)) == set(slots_of(found))


def test_two_people_get_sheets_of_different_slots_and_nobody_an_image_twice(cast: Cast) -> None:
    clear_cases(cast.project, 8)
    mine = sheet_for(cast)
    theirs = sheet_next(user=cast.ben, project=cast.project)
    assert theirs is not None
    assert not set(slots_of(mine)) & set(slots_of(theirs))
    assert sheet_next(user=cast.ann, project=cast.project) is None
    assert sheet_next(user=cast.rui, project=cast.project) is None


def test_blind_slots_stay_for_the_label_page_and_planted_scores_stand_where_they_pretend(cast: Cast) -> None:
    blind, planted, *_rest = clear_cases(cast.project, 9)
    Assignment.objects.filter(item=blind).update(is_blind=True)
    Assignment.objects.filter(item=planted).update(planted_score=30.0)
    (poor,) = clear_cases(cast.project, 1, overall=30)
    Assignment.objects.filter(item=poor).update(planted_score=96.0)
    found = sheet_for(cast)
    images = {card["image"] for card in found.cards}
    assert not images & {blind.image_id, planted.image_id}
    assert poor.image_id in images
    results = sheet_confirm(user=cast.ann, key=uuid4(), answers=confirmed(found))
    assert all(result.vote for result in results)
    assert Annotation.objects.filter(is_planted=True, is_accepted=True).count() == 1


def test_confirming_gives_every_picture_an_ordinary_accepted_vote(cast: Cast) -> None:
    clear_cases(cast.project, 7)
    found = sheet_for(cast)
    answers = confirmed(found)
    answers[0] = TileAnswer(answers[0].assignment_id, answers[0].score_id, rating=2)
    answers[1] = TileAnswer(answers[1].assignment_id, skip=True)
    sheet_confirm(user=cast.ann, key=uuid4(), answers=answers, duration_ms=7000)
    votes = live_annotations().order_by("rating")
    assert [(vote.rating, vote.is_accepted) for vote in votes] == [(2, False)] + [(5, True)] * 5
    assert {(vote.shown_score, vote.duration_ms) for vote in votes} == {(95.0, 1000)}
    assert Skip.objects.get().user == cast.ann
    assert Assignment.objects.filter(state="submitted", user=cast.ann).count() == 6
    assert Item.objects.filter(is_due=True).count() == 6


def test_the_same_sheet_sent_twice_is_the_same_votes_and_other_answers_are_refused(cast: Cast) -> None:
    clear_cases(cast.project, 6)
    answers, key = confirmed(sheet_for(cast)), uuid4()
    first = sheet_confirm(user=cast.ann, key=key, answers=answers)
    again = sheet_confirm(user=cast.ann, key=key, answers=answers)
    assert [one.vote for one in first] == [one.vote for one in again]
    assert Annotation.objects.count() == 6
    changed = [TileAnswer(answer.assignment_id, answer.score_id, rating=1) for answer in answers]
    with pytest.raises(BadInputError) as refusal:
        sheet_confirm(user=cast.ann, key=key, answers=changed)
    assert refusal.value.code == "key_reused"
    assert Annotation.objects.count() == 6


def test_a_picture_that_went_to_somebody_else_holds_up_no_other(cast: Cast) -> None:
    clear_cases(cast.project, 6)
    found = sheet_for(cast)
    lost = slots_of(found)[2]
    Assignment.objects.filter(pk=lost).update(user=cast.rui)
    results = sheet_confirm(user=cast.ann, key=uuid4(), answers=confirmed(found))
    assert [result.assignment_id for result in results if result.vote is None] == [lost]
    assert {result.code for result in results} == {"", "lease_lost"}
    assert live_annotations().count() == 5


def test_undo_takes_the_whole_sheet_back_and_leases_it_again(cast: Cast) -> None:
    clear_cases(cast.project, 6)
    found, key, undo = sheet_for(cast), uuid4(), uuid4()
    sheet_confirm(user=cast.ann, key=key, answers=confirmed(found))
    back = sheet_undo(user=cast.ann, key=undo, sheet=key, assignment_ids=slots_of(found))
    assert {card["assignment"] for card in back} == set(slots_of(found))
    assert not live_annotations().exists()
    assert len(sheet_undo(user=cast.ann, key=undo, sheet=key, assignment_ids=slots_of(found))) == 6
    assert Annotation.objects.count() == 12
    with pytest.raises(NotThereError):
        sheet_undo(user=cast.ben, key=uuid4(), sheet=key, assignment_ids=slots_of(found))


def test_a_sheet_of_nothing_of_too_many_or_of_one_twice_is_refused(cast: Cast) -> None:
    clear_cases(cast.project, 6)
    (answer, *_rest) = confirmed(sheet_for(cast))
    for answers in ([], [answer, answer], [TileAnswer(number) for number in range(1, 26)]):
        with pytest.raises(BadInputError):
            sheet_confirm(user=cast.ann, key=UUID(int=1), answers=answers)
    assert not Annotation.objects.exists()


def test_strangers_and_paused_people_get_no_sheet_and_store_none(cast: Cast) -> None:
    clear_cases(cast.project, 6)
    with pytest.raises(NotThereError):
        sheet_next(user=cast.mallory, project=cast.project)
    answers = confirmed(sheet_for(cast))
    Membership.objects.filter(user=cast.ann).update(is_paused=True)
    with pytest.raises(NotAllowedError):
        sheet_next(user=cast.ann, project=cast.project)
    with pytest.raises(NotAllowedError):
        sheet_confirm(user=cast.ann, key=uuid4(), answers=answers)
    assert not Annotation.objects.exists()


def test_what_the_person_skipped_voted_on_or_holds_is_not_on_a_sheet(cast: Cast) -> None:
    items = clear_cases(cast.project, 9)
    (held,) = lease_next(user=cast.ann, project=cast.project)
    skipped = next(item for item in items if item.pk != held.item_id)
    Skip.objects.create(item=skipped, user=cast.ann)
    images = {card["image"] for card in sheet_for(cast).cards}
    assert len(images) == 7
    assert not images & {skipped.image_id, held.item.image_id}


def test_newcomers_first_qualify_on_the_label_page(cast: Cast) -> None:
    clear_cases(cast.project, 6)
    Project.objects.update(qualification_count=3)
    assert sheet_next(user=cast.ann, project=cast.project) is None
    assert "qualification" in no_sheet_words(user=cast.ann, project=cast.project)
    assert not Assignment.objects.filter(state="leased").exists()


def test_without_a_sheet_people_read_how_unsure_the_model_is(cast: Cast) -> None:
    for _ in range(8):
        score_make(item_make(cast.project).image, overall=70, std=14)
    assert sheet_next(user=cast.ann, project=cast.project) is None
    assert "±14 points here; a grade is clear from about ±10" in no_sheet_words(
        user=cast.ann, project=cast.project
    )
    Score.objects.update(overall_std=6)
    Skip.objects.bulk_create(Skip(item=item, user=cast.ann) for item in Item.objects.all())
    assert "too few clear cases" in no_sheet_words(user=cast.ann, project=cast.project)
