"""Production settings are clean, and migrations are complete."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]


def run_manage(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_check_deploy_is_clean_in_production_settings() -> None:
    result = run_manage(
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        VITRINE_HTTPS="true",
        VITRINE_ALLOWED_HOSTS="shop.example",
    )
    assert result.returncode == 0, result.stderr


def test_a_short_secret_key_is_refused_at_start() -> None:
    result = run_manage("check", VITRINE_SECRET_KEY="changeme")
    assert result.returncode != 0
    assert "vitrine.E001" in result.stderr


def test_a_yes_no_setting_spelled_wrong_is_refused_by_name() -> None:
    result = run_manage("check", VITRINE_HTTPS="maybe")
    assert result.returncode != 0
    assert "VITRINE_HTTPS" in result.stderr


def test_a_loss_spelled_wrong_is_refused_by_name() -> None:
    result = run_manage("check", VITRINE_DEEP_LOSSES="mse:0.3,rankng")
    assert result.returncode != 0
    assert "VITRINE_DEEP_LOSSES: there is no loss 'rankng'" in result.stderr


@pytest.mark.django_db
def test_no_model_change_lacks_its_migration() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
