"""The two commands and the CI script agree on what must run and what may be left out in plain sight."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / ".ci" / "run"


def planned(target: str) -> str:
    """What make would do."""
    command = ["make", "--dry-run", "--no-print-directory", target]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_test_checks_everything_and_names_what_it_skipped() -> None:
    steps = planned("test")
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports", "djlint", "pytest"):
        assert tool in steps, tool
    assert re.search(r"pytest .*-rs", steps)
    assert "VITRINE_REQUIRE_BROWSER" not in steps


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_run_hands_its_variables_on() -> None:
    command = ["make", "--dry-run", "run", "IMAGES=my pictures", "PORT=9000", "DATA=here"]
    steps = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert '--data "here" --port 9000 --images "my pictures"' in steps


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_what_is_installed_without_being_compiled_is_compiled_once_whatever_the_shell_says() -> None:
    assert "--no-compile" in (ROOT / "Makefile").read_text(encoding="utf-8")
    command = ["make", "--silent", "--eval=told: ; @echo [$$PYTHONDONTWRITEBYTECODE]", "told"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    assert told.stdout == "[]\n"


def test_the_ci_script_installs_what_tests_need_and_lets_no_browser_test_be_skipped() -> None:
    script = CI.read_text(encoding="utf-8")
    assert os.access(CI, os.X_OK)
    assert script.rstrip().endswith("exec make test")
    assert re.search(r"^export VITRINE_REQUIRE_BROWSER=1", script, re.MULTILINE)
    for package in ("chromium", "gettext", "fonts-noto-cjk", "python3-venv", "make"):
        assert package in script, package


def test_a_required_browser_that_is_missing_fails_instead_of_skipping() -> None:
    fixture = (ROOT / "tests" / "browser" / "conftest.py").read_text(encoding="utf-8")
    assert 'os.environ.get("VITRINE_REQUIRE_BROWSER") == "1"' in fixture
