"""Claim: the heatmap points at a fault that lies in one place only. Photos of unseen photographers.

Each photo gets one fault inside an ellipse; the hottest place of the heatmap must lie in it. By chance it
would as often as the ellipse is large, and so it should once the weights of both heads are shuffled, that of
scores and that of faults; with the score's alone it lies between, for a fault is felt as before. The hottest
quarter mended with the photo's own untouched pixels must raise the score more than the coolest quarter.

python -m bench.pointing --images FOLDER ...   (at most 40 photos of each folder)
"""

from __future__ import annotations

import atexit
import os
import tempfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from bench.claims import report
from bench.damage import Shot, as_bytes, options, share_between, told_of, unseen_photos
from scoring.core.degrade import degrade_region
from scoring.core.types import Defect, FloatArray
from scoring.photos import read_photo

HIT_BAR, SECONDS_BAR = 0.6, 1.0
PER_FOLDER = 40
LOCAL = (
    Defect.DEFOCUS_BLUR,
    Defect.MOTION_BLUR,
    Defect.NOISE,
    Defect.JPEG_ARTEFACTS,
    Defect.UNDER_EXPOSED,
    Defect.OVER_EXPOSED,
    Defect.UPSCALED,
)
SEED = 13


def main() -> None:
    wanted = options(__doc__)
    if wanted is None:
        return
    rng = np.random.default_rng(SEED)
    shots = [
        Shot(
            photo,
            LOCAL[int(rng.integers(len(LOCAL)))],
            float(rng.uniform(0.5, 1.0)),
            int(rng.integers(2**31)),
        )
        for folder in wanted.images
        for photo in unseen_photos(folder, min(wanted.limit, PER_FOLDER), rng)
    ]
    told = told_of(shots, ask)
    hit, low, high = share_between(told[:, 0].astype(np.float64), rng)
    for fault in LOCAL:
        mine = [shot.fault is fault for shot in shots]
        if any(mine):
            print(f"{fault:18} {told[mine, 0].mean():.2f} of {sum(mine)}")
    report(
        "heatmap's hottest place inside a local fault",
        hit,
        f"[{low:.2f}, {high:.2f}] of {len(shots)}",
        f">= {HIT_BAR}",
        hit >= HIT_BAR,
        f"chance {told[:, 1].mean():.2f}",
    )
    both, low, high = share_between(told[:, 6].astype(np.float64), rng)
    report(
        "the same with the weights of both heads shuffled",
        both,
        f"[{low:.2f}, {high:.2f}]",
        "< 0.5 x the above",
        high < hit / 2,
        f"chance {told[:, 1].mean():.2f}; the score's head alone shuffled {told[:, 2].mean():.2f}",
    )
    mended, low, high = share_between((told[:, 3] > told[:, 4]).astype(np.float64), rng)
    report(
        "mending the hottest quarter gains more than the coolest",
        mended,
        f"[{low:.2f}, {high:.2f}]",
        "> 0.5",
        low > 0.5,
        f"mean gain {told[:, 3].mean():.1f} against {told[:, 4].mean():.1f} points",
    )
    seconds = float(np.median(told[:, 5]))
    report("seconds a heatmap takes", seconds, "s", f"<= {SECONDS_BAR}", seconds <= SECONDS_BAR)


def ask(shot: Shot) -> FloatArray:
    """Hit, chance, hit of a shuffled head, gain by mending the hottest and the coolest quarter, seconds,
    hit of both heads shuffled."""
    from scoring.device import base_head, extract_features, heat_of_bytes

    rgb, head = read_photo(shot.photo.path), base_head()
    assert shot.fault is not None
    rng = np.random.default_rng(shot.seed)
    harmed = degrade_region(rgb, shot.fault, shot.severity, rng)
    mask = harmed.mask
    assert mask is not None
    blob = as_bytes(harmed.rgb)
    began = time.monotonic()
    heat = heat_of_bytes(blob, head=head)
    seconds = time.monotonic() - began
    shuffled = replace(head, coefficients=rng.permuted(head.coefficients, axis=1), correction=None)
    lost, astray = (
        heat_of_bytes(blob, head=shuffled),
        heat_of_bytes(blob, head=shuffled, weights=astray_weights()),
    )
    rows, columns = heat.points.shape
    height, width = mask.shape
    order = heat.points.ravel().argsort()
    gains = []
    for cells in (order[-len(order) // 4 :], order[: len(order) // 4]):
        chosen = np.zeros(rows * columns, dtype=bool)
        chosen[cells] = True
        where = chosen.reshape(rows, columns)[
            np.arange(height)[:, None] * rows // height, np.arange(width)[None, :] * columns // width
        ]
        mended = np.where(where[..., None], rgb, harmed.rgb)
        before, after = (
            head.unclipped(f.vector[None])[0] for f in extract_features([blob, as_bytes(mended)])
        )
        gains.append(after - before)
    return np.array(
        [
            _inside(heat.hottest, mask),
            mask.mean(),
            _inside(lost.hottest, mask),
            *gains,
            seconds,
            _inside(astray.hottest, mask),
        ],
        dtype=np.float32,
    )


@cache
def astray_weights() -> Path:
    """The shipped weights, but each fault's weights shuffled: the encoder is as good as ever."""
    from safetensors.numpy import save

    from scoring.core.checkpoint import read_tensor_file, write_whole
    from scoring.device import BASE_WEIGHTS

    tensors, name = dict(read_tensor_file(BASE_WEIGHTS)), "features.defect_weights"
    tensors[name] = np.random.default_rng(SEED).permuted(tensors[name], axis=1)
    path = Path(tempfile.gettempdir()) / f"vitrine-astray-{os.getpid()}.safetensors"
    atexit.register(path.unlink, missing_ok=True)
    write_whole(path, save(tensors))
    return path


def _inside(place: tuple[float, float], mask: np.ndarray) -> bool:
    height, width = mask.shape
    return bool(mask[int(place[1] * height), int(place[0] * width)])


if __name__ == "__main__":
    main()
