"""These tests need a CUDA device; where there is none, one line says that they were not run.

No database and no Django here: a machine that has only what computes can run them, by
``python -m pytest -c /dev/null --rootdir . --confcutdir tests/gpu tests/gpu``. VITRINE_TEST_CARD=cpu lets
torch on the processor stand in for the card, which tries the tests themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from scoring import device
from scoring.core.look import Encode, in_batches

CARD = os.environ.get("VITRINE_TEST_CARD", "")


def _is_at_hand() -> bool:
    """Whether there is a card; torch is asked only where a driver shows."""
    if CARD:
        return True
    if not any(Path(each).exists() for each in device.DRIVERS):
        return False
    import torch

    return torch.cuda.is_available()


IS_AT_HAND = _is_at_hand()
collect_ignore_glob = [] if IS_AT_HAND else ["test_cuda_*.py"]


@pytest.fixture(scope="session")
def card() -> str:
    """The torch device under test."""
    return CARD or "cuda"


@pytest.fixture(scope="session", autouse=True)
def _kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Graphs of the processor's side are written once for all tests."""
    os.environ["VITRINE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Moves this process to ``card`` or to ``processor``, there in float: 8 bits are tried elsewhere."""
    monkeypatch.setenv("VITRINE_PRECISION", "fp32")
    usual = device._loaded_encoder

    def move(place: str) -> None:
        monkeypatch.setenv("VITRINE_DEVICE", "cpu" if place == "processor" else "")
        usual.cache_clear()
        stands_in = place == "card" and bool(CARD)
        monkeypatch.setattr(device, "_loaded_encoder", standing_in if stands_in else usual)

    return move


def standing_in(weights: Path) -> Encode:
    """The processor in the place of a card: torch, and views on squares."""
    from scoring.core.backbone import encoder_module

    return in_batches(encoder_module(device.encoder_tensors(weights)), "cpu", on_squares=True)
