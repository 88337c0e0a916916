"""Text is a fault where it was laid over the picture, not where it is printed on the product."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.core.foreground import Foreground
from scoring.core.overlay import Line, laid_over, with_text
from scoring.core.types import Box, Defect, Finding, ImageFeatures

PRODUCT = Box(0.3, 0.2, 0.7, 0.8)


def foreground(*, plain: bool = True) -> Foreground:
    mask = np.zeros((100, 100), dtype=bool)
    mask[20:80, 30:70] = True
    return Foreground(mask, PRODUCT, 0.9, plain)


def line(text: str, *box: float, confidence: float = 0.99) -> Line:
    return Line(text, confidence, Box(*box))


PRINTED = line("COFFEE", 0.4, 0.4, 0.6, 0.45)
BESIDE = line("SALE 50", 0.05, 0.05, 0.25, 0.1)
ACROSS = line("shop.example", 0.2, 0.45, 0.8, 0.55)


def features(probability: float) -> ImageFeatures:
    findings = tuple(Finding(d, probability if d is Defect.TEXT_OVERLAY else 0.3) for d in Defect)
    return ImageFeatures("1", np.zeros(3, np.float32), np.ones(2, np.float32), {}, findings)


def text_of(told: ImageFeatures) -> Finding:
    return next(finding for finding in told.findings if finding.defect is Defect.TEXT_OVERLAY)


def test_print_on_the_product_is_told_from_text_beside_and_across_it() -> None:
    assert laid_over([PRINTED, BESIDE, ACROSS], foreground()) == [BESIDE, ACROSS]


def test_before_a_busy_background_only_text_near_an_edge_counts() -> None:
    middle = line("COFFEE", 0.3, 0.4, 0.6, 0.45)
    assert laid_over([middle, BESIDE], foreground(plain=False)) == [BESIDE]


@pytest.mark.parametrize("doubtful", [line("SALE", 0, 0, 0.2, 0.1, confidence=0.8), line("A-1", 0, 0, 1, 1)])
def test_few_letters_and_little_confidence_say_nothing(doubtful: Line) -> None:
    assert laid_over([doubtful], foreground()) == []


def test_read_text_is_found_with_its_place_and_area() -> None:
    told = text_of(with_text(features(0.2), [BESIDE, ACROSS], foreground()))
    assert told.probability > 0.9
    assert (told.cause, told.box) == ("text_laid_over", Box(0.05, 0.05, 0.8, 0.55))
    assert told.value == pytest.approx(0.2 * 0.05 + 0.6 * 0.1)


def test_where_nothing_is_read_the_network_gives_way_and_print_leaves_it_be() -> None:
    assert text_of(with_text(features(0.8), [], foreground())).probability <= 0.1
    assert text_of(with_text(features(0.8), [PRINTED], foreground())).probability == 0.8


def test_other_findings_stay_as_they_were() -> None:
    told = with_text(features(0.2), [BESIDE], foreground())
    assert {f.probability for f in told.findings if f.defect is not Defect.TEXT_OVERLAY} == {0.3}
