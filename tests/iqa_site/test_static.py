"""Static files as an install serves them: digests in names, one sheet, modules that find each other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.staticfiles import finders
from django.core.management import call_command


@pytest.fixture
def collected(settings: LazySettings, tmp_path: Path) -> Path:
    """Our own files, collected the way ``vitrine run`` does it."""
    settings.STATIC_ROOT = tmp_path
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "iqa_site.static.ModuleManifestStorage"}
    }
    finders.get_finder.cache_clear()
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def names_in(folder: Path) -> dict[str, str]:
    manifest = json.loads((folder / "staticfiles.json").read_text(encoding="utf-8"))
    return dict(manifest["paths"])


def test_the_sheet_comes_in_one_piece_with_its_layers_named_first(collected: Path) -> None:
    sheet = (collected / names_in(collected)["css/site.css"]).read_text(encoding="utf-8")
    assert "@import" not in sheet
    first = sheet.index("@layer reset, tokens, base, layout, components, pages;")
    for word in ("--accent:", ".site-header {", ".button {", "body {"):
        assert sheet.index(word) > first


def test_collecting_twice_gives_the_same_names(collected: Path) -> None:
    before = names_in(collected)
    call_command("collectstatic", interactive=False, verbosity=0)
    assert names_in(collected) == before


def test_every_module_imports_hashed_names_that_exist(collected: Path) -> None:
    names = names_in(collected)
    for name, hashed in names.items():
        if not name.startswith("js/"):
            continue
        text = (collected / hashed).read_text(encoding="utf-8")
        for wanted in re.findall(r'(?:from|import)\s+"(\./[^"]+)"', text):
            assert (collected / "js" / wanted).is_file(), f"{name} imports {wanted}"
            assert re.search(r"\.[0-9a-f]{12}\.js$", wanted), f"{name} imports {wanted}"


def test_small_parts_stay_small(collected: Path) -> None:
    """What every page loads, compressed: the sheet and our own scripts."""
    names = names_in(collected)
    packed = sum(
        (collected / f"{names[name]}.gz").stat().st_size
        for name in ("css/site.css", "js/site.js", "js/theme.js")
    )
    assert packed < 14_000
