"""The words people read."""

from __future__ import annotations

import pytest

from scoring.core.measures import MEASURE_UNITS
from scoring.core.overlay import READ
from scoring.core.types import Defect, Dimension, Grade
from scoring.words import (
    DEFECT_WORDS,
    DIMENSION_WORDS,
    GRADE_WORDS,
    MEASURE_WORDS,
    PARTS,
    UNIT_WORDS,
    cause_words,
    measure_number,
    measure_words,
)


def test_everything_people_meet_has_words() -> None:
    assert set(DEFECT_WORDS) == set(Defect)
    assert set(DIMENSION_WORDS) == set(Dimension)
    assert set(GRADE_WORDS) == set(Grade)
    assert set(MEASURE_WORDS) >= set(MEASURE_UNITS)
    assert set(UNIT_WORDS) >= set(MEASURE_UNITS.values()) - {""}
    assert {*MEASURE_UNITS, READ} >= PARTS
    assert READ in MEASURE_WORDS


@pytest.mark.parametrize(
    ("code", "value", "unit", "read"),
    [
        ("noise_sigma", 12.345, "levels", "12.3\N{NO-BREAK SPACE}of 255"),
        ("text_share", 0.0456, "", "4.56\N{NO-BREAK SPACE}%"),
        ("centre_offset", 0.0, "", "0\N{NO-BREAK SPACE}%"),
        ("shortest_side", 1536.0, "pixels", "1536\N{NO-BREAK SPACE}pixels"),
        ("sharpness", 2.5, "", "2.5"),
        ("touching_sides", 1.0, "sides", "1"),
    ],
)
def test_numbers_read_with_their_unit(code: str, value: float, unit: str, read: str) -> None:
    assert measure_number(code, value, unit) == read


def test_a_cause_says_what_was_measured() -> None:
    finding = {"defect": "noise", "probability": 0.9, "cause": "noise_sigma", "value": 8.0, "unit": "levels"}
    assert cause_words(finding) == "Noise 8\N{NO-BREAK SPACE}of 255"
    assert cause_words({"defect": "collage", "probability": 0.9}) == "seen by the network"
    assert measure_words("a_new_measure") == "a new measure"
