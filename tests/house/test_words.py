"""Codes stay in the data: whatever somebody reads has words."""

from __future__ import annotations

import re
from pathlib import Path

from labeling.models import Review
from labeling.words import VERB_WORDS

ROOT = Path(__file__).resolve().parents[2]


def test_every_act_the_code_notes_has_words() -> None:
    noted = {f"review.{decision}" for decision in Review.Decision.values}
    for room in ("iqa_site", "labeling", "scoring"):
        for path in (ROOT / room).rglob("*.py"):
            noted |= set(
                re.findall(r'verb=(?:"|\w+ else ")?"?([a-z]+\.[a-z_]+)"', path.read_text(encoding="utf-8"))
            )
    assert noted - set(VERB_WORDS) == set()
