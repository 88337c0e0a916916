"""Rules about the tree itself: what may stand where."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("iqa_site", "labeling", "scoring")
LINES_AT_MOST = 320


def python_files() -> list[Path]:
    return [p for room in ROOMS for p in (ROOT / room).rglob("*.py") if "migrations" not in p.parts]


def test_no_file_of_the_rooms_outgrows_a_sitting() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for p in python_files()
        if (n := len(p.read_text().splitlines())) > LINES_AT_MOST
    }
    assert not long


def test_no_module_is_called_by_a_name_that_says_nothing() -> None:
    empty_words = {"utils", "helpers", "manager", "common", "misc"}
    assert not [p for p in python_files() if p.stem in empty_words]


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(p.relative_to(ROOT))
        for p in python_files()
        if p.stat().st_size and not p.read_text().lstrip().startswith(('"""', "#!"))
    ]
    assert not silent


def test_no_template_carries_script_style_or_handlers_inline() -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son\w+=|javascript:", re.IGNORECASE)
    guilty = {}
    for page in (ROOT / "templates").rglob("*.html"):
        found = [m for m in inline.findall(page.read_text(encoding="utf-8")) if "application/json" not in m]
        if found:
            guilty[str(page.relative_to(ROOT))] = found
    assert not guilty


def test_colours_stand_only_in_the_tokens() -> None:
    colour = re.compile(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(|\boklch\(")
    for sheet in (ROOT / "static" / "css").rglob("*.css"):
        if sheet.name != "tokens.css":
            assert not colour.findall(sheet.read_text(encoding="utf-8")), sheet.name


def test_nothing_is_unpickled_anywhere() -> None:
    for path in python_files():
        assert not re.search(r"^\s*(import|from) (pickle|dill|joblib)\b", path.read_text(), re.MULTILINE), (
            path
        )
