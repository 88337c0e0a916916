"""Weights whose encoder has learned nothing from the scores a bench asks about.

Weights may hold an encoder tuned on the very pictures that have scores: order and intervals of those
pictures would then be read off, not guessed. So benches that ask about scored pictures take the encoder that
is named to them, and where none is, the shipped one only if its file says that no score moved it. An encoder
that comes alone, or ImageNet's, gets a projection here: from pictures before and after seeded faults, which
knows no score either.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

PHOTOS, FAULTS, SEED = 300, 3, 23  # so many pictures are harmed, by so many faults each
FOLD = "{fold}"  # in the name of a file: one encoder for each fold, tuned without it
CACHE = Path(tempfile.gettempdir()) / "vitrine-bench-features"


def add_weights_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights",
        type=Path,
        help="weights, or an encoder alone, that saw no score (default: the shipped, or ImageNet's)",
    )


def unscored_weights(given: Path | None, pictures: Sequence[Path], cache: Path = CACHE) -> Path:
    """The weights to extract features of scored ``pictures`` with; fitted once, kept in ``cache``."""
    from scoring.core.checkpoint import read_tensor_file
    from scoring.device import BASE_WEIGHTS

    if given is None and knows_no_score(BASE_WEIGHTS):
        return BASE_WEIGHTS
    if given is not None and "features.centre" in read_tensor_file(given):
        return given
    kept = cache / f"weights-{_name_of(given, pictures)}.safetensors"
    if not kept.exists():
        _fit(given, pictures, kept)
    return kept


def knows_no_score(weights: Path) -> bool:
    """Whether no score ever moved the encoder in a weights file, by the file's own word."""
    from scoring.core.checkpoint import read_tensor_file
    from scoring.encoders import UNSCORED

    return bool(read_tensor_file(weights).get(UNSCORED, [0])[0])


def said_of(weights: Path) -> str:
    """A few words about the encoder for the line of a claim."""
    return "encoder that saw no score" if knows_no_score(weights) else f"encoder tuned, {weights.name}"


def _name_of(given: Path | None, pictures: Sequence[Path]) -> str:
    from scoring.core.features import FEATURE_CODE

    known = [FEATURE_CODE.encode(), given.read_bytes() if given else b"ImageNet"]
    known += [f"{path.name} {path.stat().st_size}".encode() for path in pictures]
    return hashlib.sha256(b"\n".join(known)).hexdigest()[:16]


def _fit(given: Path | None, pictures: Sequence[Path], kept: Path) -> None:
    """What ``vitrine pretrain`` makes of these pictures with their scores left out."""
    from scoring import pretrain
    from scoring.encoders import export, read_encoder

    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tasks = _tasks(pictures)
        encoder = read_encoder(given).ranged(pretrain.calibration_views(tasks))
        file = export(encoder, Path(folder), "encoder")
        evidence, *_ = pretrain.gather(tasks, [file], processes=os.cpu_count() or 1, locator=encoder.locator)
        wanted = argparse.Namespace(out=Path(folder), seed=SEED, size=pretrain.VECTOR_SIZE)
        pretrain.fit_and_write(evidence, encoder, wanted, None)
        draft = kept.with_suffix(f".{os.getpid()}.part")
        shutil.copyfile(Path(folder) / "base.safetensors", draft)
        draft.replace(kept)


def _tasks(pictures: Sequence[Path]) -> list[Any]:
    """Every picture untouched, and some of them harmed by seeded faults; no task holds a score."""
    from scoring.core.types import Defect
    from scoring.pretrain_plan import Task

    rng = np.random.default_rng(SEED)
    tasks = [Task(path=str(path), group=path.name) for path in pictures]
    for source in np.sort(rng.permutation(len(pictures))[:PHOTOS]).tolist():
        clean = tasks[source]
        for fault in rng.choice(len(Defect), FAULTS, replace=False).tolist():
            tasks.append(
                Task(
                    path=clean.path,
                    group=clean.group,
                    fault=list(Defect)[fault],
                    severity=float(rng.uniform(0.15, 1.0)),
                    seed=int(rng.integers(2**31)),
                    source=source,
                )
            )
    return tasks
