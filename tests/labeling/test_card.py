"""What one person may see of a picture."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labeling.card import Card, cards_of, examples_of
from labeling.models import Assignment, Consensus, Item, Review
from labeling.queue import lease_next
from scoring.models import ModelVersion, Score, Serving
from scoring.registry import base_model_ensure
from tests.conftest import Cast
from tests.factories import item_make, score_make

pytestmark = pytest.mark.django_db


def card_for(cast: Cast) -> Card:
    leased = lease_next(user=cast.ann, project=cast.project)
    (card,) = cards_of(assignments=leased, user=cast.ann)
    return card


def test_a_card_says_what_the_model_says_and_why(cast: Cast) -> None:
    item = item_make(cast.project)
    score = score_make(item.image, overall=71.24, std=8)
    card = card_for(cast)
    assert json.loads(json.dumps(card)) == card
    assert card["image"] == item.image_id
    assert card["picture"] == f"/images/{item.image_id}/picture"
    assert card["thumbnail"] == f"/images/{item.image_id}/thumbnail"
    assert (card["width"], card["height"]) == (96, 96)
    assert (card["title"], card["category"]) == (item.image.product.title, "mugs")
    assert card["prediction"] == {
        "id": score.pk,
        "score": 71.2,
        "std": 8.0,
        "low": 58.4,
        "high": 84.0,
        "grade": "good",
        "grade_words": "good",
        "rating": 4,
    }
    assert card["dimensions"] == dict.fromkeys(
        ("sharpness", "colour", "composition", "lighting", "background"), 71.2
    )
    (found,) = card["findings"]
    assert (found["defect"], found["words"], found["probability"], found["box"]) == (
        "noise",
        "Noise",
        0.7,
        None,
    )
    assert "5" in found["cause"]
    assert card["returned"] == ""


def test_a_blind_card_tells_nothing_of_the_prediction(cast: Cast) -> None:
    item = item_make(cast.project)
    score_make(item.image, overall=71.625)  # a number no counter of a test can reach
    Assignment.objects.update(is_blind=True)
    card = card_for(cast)
    assert card["is_blind"]
    assert (card["prediction"], card["dimensions"], card["findings"]) == (None, {}, [])
    assert "71.6" not in json.dumps({**card, "lease_until": "", "picture": "", "thumbnail": ""})


def test_a_planted_score_takes_everything_along_and_does_not_give_itself_away(cast: Cast) -> None:
    item = item_make(cast.project)
    score_make(item.image, overall=40, std=5)
    Assignment.objects.update(planted_score=90.0)
    card = card_for(cast)
    assert card["prediction"] is not None
    assert (card["prediction"]["score"], card["prediction"]["rating"]) == (90.0, 5)
    assert (card["prediction"]["low"], card["prediction"]["high"]) == (82.0, 98.0)
    assert set(card["dimensions"].values()) == {90.0}
    assert card["findings"] == []
    Assignment.objects.update(planted_score=10.0)
    lower = card_for(cast)
    assert set(lower["dimensions"].values()) == {10.0}
    assert len(lower["findings"]) == 1
    assert "planted" not in json.dumps(lower)


def test_a_picture_not_scored_yet_is_rated_without_help(cast: Cast) -> None:
    item_make(cast.project)
    card = card_for(cast)
    assert (card["prediction"], card["findings"], card["is_blind"]) == (None, [], False)


def test_a_returned_picture_says_why(cast: Cast) -> None:
    item = item_make(cast.project)
    Item.objects.filter(pk=item.pk).update(returned_to=cast.ann)
    Review.objects.create(
        item=item, reviewer=cast.rui, decision="return", reason="Look at the edge.", key="0" * 32
    )
    assert card_for(cast)["returned"] == "Look at the edge."


def test_many_cards_cost_one_statement(cast: Cast) -> None:
    for number in range(8):
        score_make(item_make(cast.project).image, overall=10.0 * number)
    leased = lease_next(user=cast.ann, project=cast.project, count=8)
    with CaptureQueriesContext(connection) as asked:
        cards = cards_of(assignments=leased, user=cast.ann)
    assert len(asked) == 1
    assert [card["assignment"] for card in cards] == [a.pk for a in leased]
    scores = {score.image_id: score for score in Score.objects.all()}
    for card in cards:
        assert card["prediction"] is not None
        assert card["prediction"]["score"] == scores[card["image"]].overall_score


def test_what_the_displayed_model_has_not_scored_yet_is_shown_by_the_champion(cast: Cast) -> None:
    base = base_model_ensure()
    champion = ModelVersion.objects.create(
        name="new", kind="fast", feature_version=base.feature_version, weights_digest="0" * 64
    )
    Serving.objects.update(champion=champion)
    item = item_make(cast.project)
    score_make(item.image, overall=30, model=champion)
    card = card_for(cast)
    assert card["prediction"] is not None
    assert card["prediction"]["score"] == 30.0
    score_make(item.image, overall=80, model=base)
    card = card_for(cast)
    assert card["prediction"] is not None
    assert card["prediction"]["score"] == 80.0


def test_examples_are_the_worst_a_middling_and_the_best_settled_picture(cast: Cast) -> None:
    assert examples_of(project=cast.project) == []
    for mos, state in (
        (1.2, "settled"),
        (2.1, "settled"),
        (3.2, "approved"),
        (4.9, "settled"),
        (5.0, "open"),
    ):
        item = item_make(cast.project)
        Item.objects.filter(pk=item.pk).update(state=state)
        Consensus.objects.create(
            item=item, mos=mos, mos_score=50, std_error=0.2, ci_low=1, ci_high=5, vote_count=2
        )
    assert [example["mos"] for example in examples_of(project=cast.project)] == [1.2, 3.2, 4.9]
    Consensus.objects.filter(mos__gt=1.2).update(vote_count=1)
    assert [example["mos"] for example in examples_of(project=cast.project)] == [1.2]
