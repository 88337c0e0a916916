"""Two tabs at once: a pair is answered once, a picture is on one sheet."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from labeling.compare import comparison_submit, live_comparisons
from labeling.models import Assignment, Comparison
from labeling.sheet import TileAnswer, sheet_confirm, sheet_next
from scoring.errors import ConflictError
from tests.conftest import Cast
from tests.factories import item_make, score_make

pytestmark = pytest.mark.django_db(transaction=True)
TABS = 6


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    """What each act gave, or the refusal it met."""

    def tried(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except ConflictError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(tried, acts))


def test_a_pair_answered_in_six_tabs_at_once_is_one_comparison(cast: Cast) -> None:
    one, other = item_make(cast.project), item_make(cast.project)

    def answer(number: int) -> Callable[[], Any]:
        left, right = (one, other) if number % 2 else (other, one)
        return lambda: comparison_submit(
            user=cast.ann, left_id=left.pk, right_id=right.pk, answer="left", key=uuid4()
        )

    told = at_once([answer(number) for number in range(TABS)])
    assert sum(isinstance(one, Comparison) for one in told) == 1
    assert {one.code for one in told if isinstance(one, ConflictError)} == {"already_compared"}
    assert live_comparisons().count() == Comparison.objects.count() == 1


def test_sheets_asked_for_at_once_share_no_slot_and_a_sheet_sent_twice_at_once_is_one(cast: Cast) -> None:
    for _ in range(12):
        score_make(item_make(cast.project).image, overall=95, std=8)
    people = [cast.ann, cast.ben, cast.rui]
    found = at_once(
        [lambda person=person: sheet_next(user=person, project=cast.project) for person in people]
    )
    slots = [card["assignment"] for sheet in found if sheet for card in sheet.cards]
    assert len(slots) == len(set(slots)) == Assignment.objects.filter(state="leased").count()
    sheet, person = next((sheet, person) for sheet, person in zip(found, people, strict=True) if sheet)
    answers = [TileAnswer(card["assignment"]) for card in sheet.cards]
    key = uuid4()
    told = at_once([lambda: sheet_confirm(user=person, key=key, answers=answers)] * 3)
    assert {tuple(one.vote.pk for one in results) for results in told} == {
        tuple(one.vote.pk for one in told[0])
    }
