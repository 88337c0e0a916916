"""Which picture of a product to show first."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from scoring.models import Score
from scoring.score import displayed_scores

CLOSE = 5.0  # points: lower bounds nearer than this to the best say nothing about which is better
SEVERE_FROM = 0.8  # probability of a defect from which it counts as severe


def severe_defects(score: Score) -> int:
    """How many defects the model is all but sure of."""
    return sum(float(finding["probability"]) >= SEVERE_FROM for finding in score.findings)


def best_of(scores: Collection[Score]) -> Score | None:
    """The score of the picture to show first; None of none.

    The lower bound counts, not the score: a picture that is good for certain beats one that may be
    better. Among pictures within five points of the highest lower bound the one with the fewest severe
    defects wins, then the higher bound, then the older picture; so equal input gives the same answer.
    """
    if not scores:
        return None
    floor = max(score.interval_low for score in scores) - CLOSE
    close = [score for score in scores if score.interval_low >= floor]
    return min(close, key=lambda s: (severe_defects(s), -s.interval_low, s.image_id))


def best_images(*, product_ids: Iterable[int]) -> dict[int, int]:
    """Image id by product id: the picture to show first; products without a score are absent."""
    by_product: dict[int, list[Score]] = {}
    scores = displayed_scores().filter(image__product_id__in=list(product_ids)).select_related("image")
    for score in scores:
        by_product.setdefault(score.image.product_id, []).append(score)
    found = {product: best_of(scores) for product, scores in by_product.items()}
    return {product: score.image_id for product, score in found.items() if score is not None}
