"""The picture of a product to show first."""

from __future__ import annotations

from itertools import permutations

import pytest

from scoring.models import Image, Product, Score
from scoring.recommend import best_images, best_of, severe_defects
from tests.factories import image_make, score_make


def scored(image_id: int, low: float, *, severe: int = 0) -> Score:
    findings = [{"defect": "noise", "probability": 0.9}] * severe + [
        {"defect": "border", "probability": 0.79}
    ]
    return Score(image_id=image_id, interval_low=low, findings=findings)


def test_the_highest_lower_bound_wins() -> None:
    best = best_of([scored(1, 40.0), scored(2, 71.0), scored(3, 60.0)])
    assert best is not None
    assert best.image_id == 2


def test_within_five_points_the_fewest_severe_defects_win() -> None:
    flawed, clean = scored(1, 74.0, severe=2), scored(2, 69.5)
    assert best_of([flawed, clean]) is clean
    assert best_of([flawed, scored(2, 68.9)]) is flawed


def test_a_defect_counts_as_severe_from_four_fifths() -> None:
    assert severe_defects(scored(1, 50.0)) == 0
    assert severe_defects(scored(1, 50.0, severe=3)) == 3


def test_the_order_of_asking_changes_nothing_and_the_older_picture_wins_a_tie() -> None:
    scores = [scored(3, 70.0), scored(1, 70.0), scored(2, 70.0), scored(4, 67.0, severe=1)]
    assert {score.image_id for order in permutations(scores) if (score := best_of(order))} == {1}


def test_of_no_picture_none_is_best() -> None:
    assert best_of([]) is None


@pytest.mark.django_db
def test_each_product_gets_its_best_visible_picture() -> None:
    product = Product.objects.create(external_id="A", title="Kettle")
    worse, better, hidden = (image_make(product=product) for _ in range(3))
    score_make(worse, overall=40)
    score_make(better, overall=60)
    score_make(hidden, overall=90)
    Image.objects.filter(pk=hidden.pk).update(is_hidden=True)
    unscored = image_make()
    found = best_images(product_ids=[product.pk, unscored.product_id])
    assert found == {product.pk: better.pk}
