"""Says once whether the tests of this folder were run."""

from __future__ import annotations

import pytest

from tests.gpu.conftest import IS_AT_HAND


def test_a_cuda_device_is_at_hand() -> None:
    if not IS_AT_HAND:
        pytest.skip("no CUDA device: tests/gpu was not run")
