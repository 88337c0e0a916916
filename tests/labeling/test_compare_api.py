"""The three addresses the Compare page lives on."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from labeling.compare import live_comparisons
from labeling.models import Comparison, Project
from tests.conftest import Cast
from tests.factories import item_make, score_make
from tests.labeling.conftest import Post

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _pictures(cast: Cast) -> None:
    for _ in range(6):
        score_make(item_make(cast.project).image, overall=60, std=8)


def answer_of(pair: Any, answer: str = "left", **more: Any) -> dict[str, Any]:
    sides = {side: pair[side]["item"] for side in ("left", "right")}
    return {**sides, "answer": answer, "key": str(uuid4()), **more}


def test_pairs_come_and_others_to_a_page_that_holds_some(cast: Cast, post: Post) -> None:
    status, told = post(cast.ann, "pairs", count=2)
    assert (status, len(told["pairs"]), told["nothing"]) == (200, 2, None)
    held = [pair[side]["item"] for pair in told["pairs"] for side in ("left", "right")]
    _, rest = post(cast.ann, "pairs", count=3, holding=held)
    assert len(rest["pairs"]) == 1


def test_an_answer_brings_the_next_pairs_and_is_one_however_often_sent(cast: Cast, post: Post) -> None:
    _, told = post(cast.ann, "pairs")
    (pair,) = told["pairs"]
    said = answer_of(pair, "cannot_say", duration_ms=900)
    status, first = post(cast.ann, "compare", **said, next={"count": 2})
    assert (status, len(first["pairs"])) == (200, 2)
    _, second = post(cast.ann, "compare", **said)
    assert first["comparison"] == second["comparison"]
    assert (Comparison.objects.get().answer, Comparison.objects.get().duration_ms) == ("cannot_say", 900)
    status, refusal = post(cast.ann, "compare", **{**said, "answer": "left"})
    assert (status, refusal["code"]) == (422, "key_reused")
    status, refusal = post(cast.ann, "compare", **answer_of(pair))
    assert (status, refusal["code"]) == (409, "already_compared")


def test_undo_gives_the_pair_back_and_a_late_repeat_of_it_does_not(cast: Cast, post: Post) -> None:
    _, told = post(cast.ann, "pairs")
    said = answer_of(told["pairs"][0])
    post(cast.ann, "compare", **said)
    undo = {"comparison": said["key"], "key": str(uuid4())}
    status, back = post(cast.ann, "compare/undo", **undo)
    assert (status, back["pair"]) == (200, told["pairs"][0])
    assert not live_comparisons().exists()
    post(cast.ann, "compare", **answer_of(told["pairs"][0], "right"))
    assert post(cast.ann, "compare/undo", **undo) == (200, {"pair": None})
    assert live_comparisons().count() == 1


def test_where_nothing_is_left_it_says_so(cast: Cast, post: Post) -> None:
    empty = Project.objects.create(name="Empty")
    empty.memberships.create(user=cast.ann, role="annotator")
    _, told = post(cast.ann, "pairs", project=empty.pk)
    assert (told["pairs"], told["nothing"]["code"]) == ([], "no_pairs")
    assert "No pictures" in told["nothing"]["detail"]


def test_an_answer_is_not_stored_in_another_persons_name(cast: Cast, post: Post) -> None:
    _, told = post(cast.ann, "pairs")
    status, refusal = post(cast.ben, "compare", **answer_of(told["pairs"][0], rater=cast.ann.pk))
    assert (status, refusal["code"]) == (409, "other_person")
    assert not Comparison.objects.exists()


def test_pairs_take_the_same_few_queries_however_many(
    cast: Cast, post: Post, django_assert_max_num_queries: Any
) -> None:
    post(cast.ann, "pairs")
    with django_assert_max_num_queries(10):  # session, user and membership among them
        post(cast.ann, "pairs", count=3, project=cast.project.pk)
