"""Machine code says what its source says, and is made where nothing can be kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import FunctionType

import numpy as np
import pytest

from scoring.core.compiled import compiled

# A thing with a hole and letters on it before a plain and before a busy background, through every pass.
MEASURE = """
import json
import numpy as np
from scoring.core.decode import Picture
from scoring.core.foreground import before_busy, before_plain
from scoring.core.graph_int8 import Tap, Taps, TAPS
from scoring.core.measures import measure_picture

rng = np.random.default_rng(3)
rgb = np.full((72, 80, 3), 210, dtype=np.uint8)
rgb[20:56, 20:60] = rng.integers(0, 200, (36, 40, 3))
rgb[30:40, 30:40] = 210
rgb[6:12, 10:70:6], rgb[6:12, 11:70:6] = 40, 40
told = []
for product in (before_plain(rgb), before_busy(rgb)):
    told.append(list(measure_picture(Picture(rgb), product).values.values()))
notes = json.dumps([dict(name="a", channels=3, step=0.5, zero=7, rows=2)])
told.append(Taps({TAPS: notes}).moments([rgb[None]]).tolist())
print(json.dumps(told))
"""


def test_machine_code_says_what_its_source_says() -> None:
    """numba runs the source itself where it is told not to compile."""
    told = []
    for asked in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE],
            env={**os.environ, "NUMBA_DISABLE_JIT": asked, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(json.loads(done.stdout))
    for compiled_one, source in zip(*told, strict=True):
        np.testing.assert_allclose(compiled_one, source, rtol=2e-3, atol=2e-3)


def twice(x: int) -> int:
    return 2 * x


def test_what_lies_in_no_file_is_compiled_and_not_kept() -> None:
    nowhere = FunctionType(twice.__code__.replace(co_filename="<typed in>"), {})
    assert compiled(nowhere)(21) == 42


def test_nothing_is_compiled_before_it_is_called() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, scoring.device; print('numba' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_so(value: float) -> None:
    """Sums may be taken in any order; what is no number must not become one."""
    from scoring.core.steps import steps_of

    luma = np.zeros((4, 4), dtype=np.float32)
    luma[1, 2] = value
    assert not np.isfinite(steps_of(luma)).all()


def test_a_warm_process_compiles_nothing_for_its_first_picture() -> None:
    """What ``warm_up`` reads or makes is all that pictures ask for, before a plain surface or not; numba says
    of each function that it was read or kept."""
    asked = """
import io
import numpy as np
from PIL import Image
from scoring.device import extract_features, warm_up
rng = np.random.default_rng(1)
plain = np.full((90, 80, 3), 230)
plain[30:60, 20:60] = rng.integers(0, 99, (30, 40, 3))
blobs = []
for rgb in (rng.integers(0, 256, (90, 70, 3)), plain):
    file = io.BytesIO()
    Image.fromarray(rgb.astype(np.uint8)).save(file, "JPEG")
    blobs.append(file.getvalue())
warm_up()
print("warm", flush=True)
extract_features(blobs)
"""
    done = subprocess.run(
        [sys.executable, "-c", asked],
        env={**os.environ, "NUMBA_DEBUG_CACHE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    before, _, after = done.stdout.partition("warm\n")
    assert "[cache]" in before
    assert "[cache]" not in after
