"""Every code a row can be refused with has a sentence in the reader's language."""

from __future__ import annotations

import pytest

from scoring import archive, fetch, rows
from scoring.core import reencode
from scoring.import_rows import PASSING_CODES
from scoring.refusals import REFUSAL_WORDS, refusal_words

CODES = sorted({*archive.REASONS, *fetch.REASONS, *rows.REASONS, *reencode.REASONS})


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_a_sentence(code: str) -> None:
    assert refusal_words(code).endswith(".")
    assert code in REFUSAL_WORDS


def test_what_may_pass_by_itself_is_known_too() -> None:
    assert set(PASSING_CODES) <= set(REFUSAL_WORDS)


def test_an_unknown_code_says_what_was_stored_with_it() -> None:
    assert refusal_words("new_code", "The moon is full.") == "The moon is full."
    assert refusal_words("new_code") == "new_code"
