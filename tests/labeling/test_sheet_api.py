"""The three addresses the Grid page lives on."""

from __future__ import annotations

from uuid import uuid4

import pytest

from labeling.annotate import live_annotations
from labeling.models import Annotation, Assignment
from tests.conftest import Cast
from tests.factories import item_make, score_make
from tests.labeling.conftest import Post

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _pictures(cast: Cast) -> None:
    for _ in range(30):
        score_make(item_make(cast.project).image, overall=95, std=8)


def test_a_sheet_is_confirmed_at_once_and_brings_the_next(cast: Cast, post: Post) -> None:
    status, told = post(cast.ann, "sheet")
    assert (status, told["sheet"]["rating"], len(told["sheet"]["cards"])) == (200, 5, 24)
    answers = [
        {"assignment": card["assignment"], "score": card["prediction"]["id"]}
        for card in told["sheet"]["cards"]
    ]
    answers[0]["rating"] = 3
    answers[1]["skip"] = True
    key = str(uuid4())
    status, first = post(cast.ann, "sheet/confirm", key=key, answers=answers, duration_ms=24_000, next={})
    assert status == 200
    assert [one["rating"] for one in first["results"][:3]] == [3, None, 5]
    assert {one["code"] for one in first["results"]} == {""}
    assert len(first["sheet"]["cards"]) == 6
    assert sorted(live_annotations().values_list("rating", flat=True)) == [3] + [5] * 22
    _, again = post(cast.ann, "sheet/confirm", key=key, answers=answers, duration_ms=24_000)
    assert again["results"] == first["results"]
    assert Annotation.objects.count() == 23


def test_undo_gives_the_cards_back(cast: Cast, post: Post) -> None:
    _, told = post(cast.ann, "sheet")
    slots = [card["assignment"] for card in told["sheet"]["cards"]]
    key = str(uuid4())
    post(cast.ann, "sheet/confirm", key=key, answers=[{"assignment": slot} for slot in slots])
    assert live_annotations().count() == 24
    status, back = post(cast.ann, "sheet/undo", sheet=key, assignments=slots, key=str(uuid4()))
    assert (status, len(back["cards"])) == (200, 24)
    assert not live_annotations().exists()


def test_where_nothing_is_clear_it_says_so_and_leases_nothing(cast: Cast, post: Post) -> None:
    _, told = post(cast.ann, "sheet", holding=[slot.pk for slot in Assignment.objects.all()])
    assert (told["sheet"], told["nothing"]["code"]) == (None, "no_clear_cases")
    assert not Assignment.objects.filter(state="leased").exists()


def test_a_sheet_is_not_stored_in_another_persons_name_nor_for_another_s_leases(
    cast: Cast, post: Post
) -> None:
    _, told = post(cast.ann, "sheet")
    answers = [{"assignment": card["assignment"]} for card in told["sheet"]["cards"]]
    status, refusal = post(cast.ben, "sheet/confirm", key=str(uuid4()), answers=answers, rater=cast.ann.pk)
    assert (status, refusal["code"]) == (409, "other_person")
    status, told = post(cast.ben, "sheet/confirm", key=str(uuid4()), answers=answers)
    assert (status, {one["code"] for one in told["results"]}) == (200, {"lease_lost"})
    status, _ = post(cast.mallory, "sheet/confirm", key=str(uuid4()), answers=answers)
    assert status == 404
    assert not Annotation.objects.exists()
