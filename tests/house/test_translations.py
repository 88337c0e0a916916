"""Every string people read exists in both languages, and the compiled catalogue is not stale."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.utils import translation

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"

needs_gettext = pytest.mark.skipif(shutil.which("msgfmt") is None, reason="gettext is not installed")


def statistics_of(po: Path) -> str:
    result = subprocess.run(
        ["msgfmt", "--check", "--statistics", "-o", "/dev/null", str(po)],
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    return result.stderr


@needs_gettext
def test_no_chinese_string_is_missing_or_doubtful() -> None:
    said = statistics_of(CATALOGUE)
    assert "untranslated" not in said, said
    assert "fuzzy" not in said, said


@needs_gettext
def test_the_catalogue_knows_every_marked_string(tmp_path: Path) -> None:
    copy = tmp_path / "tree"
    for folder in ("iqa_site", "labeling", "scoring", "templates", "locale"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    shutil.copy(ROOT / "manage.py", copy)
    subprocess.run(
        [sys.executable, "-m", "django", "makemessages", "-l", "zh_Hans", "--no-wrap", "--no-location"],
        cwd=copy,
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    said = statistics_of(copy / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po")
    assert "untranslated" not in said, said


def test_strings_are_marked_by_names_the_extractor_knows() -> None:
    """xgettext looks for ``gettext_lazy(`` and ``_(``; a string behind another alias is never seen."""
    alias = re.compile(r"import n?gettext(?:_lazy)? as (?!_$)\w+", re.MULTILINE)
    guilty = [
        str(path.relative_to(ROOT))
        for room in ("iqa_site", "labeling", "scoring")
        for path in (ROOT / room).rglob("*.py")
        if alias.search(path.read_text(encoding="utf-8"))
    ]
    assert not guilty


def test_a_chinese_reader_reads_chinese() -> None:
    with translation.override("zh-hans"):
        assert translation.gettext("Sharpness") == "清晰度"
        assert translation.gettext("Background") == "背景"
