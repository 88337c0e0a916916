"""``vitrine pretrain``: make the weights that ship with the package, reproducibly.

    vitrine pretrain --data CSV --photos FOLDER ... --shop FOLDER ... --out FOLDER [--tuned FOLDER]

``--photos`` and ``--shop`` are product photos without scores, by people and by shops: they are degraded by
seeded faults. A quarter of their groups (``scoring.photos``) is never touched, so that benches can ask about
photos nobody trained on. ``--data`` is a table of scored pictures as ``vitrine evaluate`` reads one (columns
path, and score 0-100 or mos 1-5); ``--scores`` is its other name. ``--told`` is a table of faults people saw
in photos as they are: columns path (folder first) and, named as defects are, 0-1. One seed draws all.

What fits that left out a fifth of the scored pictures say of that fifth calibrates the intervals and is
written to left_out.csv, for benches. ``--tuned`` is what ``python -m scoring.tune`` wrote. With ``--folds 5``
that is an encoder, and one per fold that never saw the fold's scores: each of those is taken through the
whole fit without its fold.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import multiprocessing
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.core import base_fit
from scoring.core.base_fit import LeftOut
from scoring.core.checkpoint import WeightsError, write_tensors
from scoring.core.evidence import Array, Evidence
from scoring.core.features import (
    FEATURE_CODE,
    measure_row,
    measured_on_product,
    model_to_tensors,
    views_of,
)
from scoring.core.head import head_to_tensors
from scoring.core.locate import Locator
from scoring.core.look import Encode
from scoring.core.metrics import srcc
from scoring.core.ridge import kfold
from scoring.core.types import ByteArray, Defect, FloatArray
from scoring.encoders import BackboneError, EncoderWeights, export, open_encoder, read_encoders
from scoring.labelled import TableError, read_faults
from scoring.photos import PhotoError, photos_of
from scoring.pretrain_plan import Task, picture_of, plan
from scoring.pretrain_studio import take_photos

CALIBRATION_ROWS = 100
VECTOR_SIZE = 384


_encoders: list[Encode] = []
_locators: list[Locator] = []


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 2 for photos or scores that cannot be used."""
    options = _parser().parse_args(argv)
    try:
        return _run(options)
    except (BackboneError, PhotoError, TableError, WeightsError) as error:
        print(error, file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    options.out.mkdir(parents=True, exist_ok=True)
    folders = dict.fromkeys(options.photos, False) | dict.fromkeys(options.shop, True)
    for folder in folders:
        photos_of(folder)  # what is missing is said before the studio's minute
    found = read_encoders(options.tuned, options.backbone)
    tasks = plan(
        folders,
        options.scores,
        limit=options.limit,
        seed=options.seed,
        told=read_faults(options.told) if options.told else None,
        studio=take_photos(options.out / "studio", options.studio, processes=options.processes),
    )
    if not any(task.fault for task in tasks):
        raise PhotoError("There is nothing to learn from: no photos to give faults to")
    print(f"{len(tasks)} rows of evidence", flush=True)
    views = calibration_views(tasks)
    left_out = read_left_out(options.left_out) if options.left_out else None
    encoders = [encoder.ranged(views) for encoder in found[: 1 if left_out else None]]
    files = [export(encoder, options.out, f"encoder{number}") for number, encoder in enumerate(encoders)]
    evidence, *folds = gather(tasks, files, processes=options.processes, locator=encoders[0].locator)
    if options.keep is not None:
        _keep(options.keep, evidence, tasks)
    if folds:
        left_out = leave_out(folds, encoders[1:], options)
    digest, left_out = fit_and_write(evidence, encoders[0], options, left_out)
    if left_out is not None:
        _write_left_out(options.out / "left_out.csv", tasks, left_out)
    print(json.dumps({"weights": str(options.out / "base.safetensors"), "sha256": digest}))
    return 0


def gather(
    tasks: Sequence[Task], files: Sequence[Path], *, processes: int, locator: Locator | None = None
) -> list[Evidence]:
    """Raw vectors by each network, and measures, of every task in order, by several processes.

    ``locator`` tells the product in the first network's maps.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    raws: list[list[FloatArray]] = [[] for _ in files]
    measures = []
    with multiprocessing.get_context("spawn").Pool(processes, _start, (files, locator)) as pool:
        for done, (told, measured) in enumerate(pool.imap(_work, tasks, chunksize=4), start=1):
            for kept, raw in zip(raws, told, strict=True):
                kept.append(raw)
            measures.append(measured)
            if done % 500 == 0:
                print(f"{done} of {len(tasks)}", flush=True)
    return [
        Evidence(
            raw=np.stack(raw),
            measures=np.stack(measures),
            source=np.array([task.source for task in tasks], dtype=np.int64),
            fault=[task.fault for task in tasks],
            severity=np.array([task.severity for task in tasks]),
            people=np.array([task.score for task in tasks]),
            is_shop=np.array([task.is_shop for task in tasks]),
            group=[task.group for task in tasks],
            told=_told(tasks),
        )
        for raw in raws
    ]


def _told(tasks: Sequence[Task]) -> npt.NDArray[np.int8]:
    """What somebody saw (1) and did not see (-1) of each defect in each row (N, 16)."""
    sign = {None: 0, True: 1, False: -1}
    return np.array([[sign[task.told.get(defect)] for defect in Defect] for task in tasks], dtype=np.int8)


def leave_out(
    evidence: Sequence[Evidence], encoders: Sequence[EncoderWeights], options: argparse.Namespace
) -> LeftOut:
    """What each fold's whole model, fitted without the fold's scores, says of them."""
    scored = np.flatnonzero(np.isfinite(evidence[0].people))
    folds = kfold(len(scored), len(evidence))
    jobs = [
        (each, encoder.taught, scored[fold], options.size)
        for each, encoder, fold in zip(evidence, encoders, folds, strict=True)
    ]
    side_by_side = max(1, min(len(jobs), options.processes // 2))
    os.environ["OMP_NUM_THREADS"] = str(max(1, options.processes // side_by_side))
    guess, doubt = np.zeros(len(scored)), np.zeros(len(scored))
    with multiprocessing.get_context("spawn").Pool(side_by_side) as pool:
        for fold, (said, unsure) in zip(folds, pool.imap(_ask_fold, jobs), strict=True):
            guess[fold], doubt[fold] = said, unsure
    people = evidence[0].people[scored]
    each = ", ".join(f"{srcc(guess[fold], people[fold]):.4f}" for fold in folds)
    print(f"SRCC of folds left out: {each}", flush=True)
    return LeftOut(guess, doubt)


def _ask_fold(job: tuple[Evidence, FloatArray | None, Any, int]) -> tuple[Array, Array]:
    evidence, taught, fold, size = job
    known = evidence.without(fold)
    model = base_fit.fit_features(known, version="fold", size=size, taught=taught)
    head = base_fit.fit_base_head(base_fit.vectors_of(model, known), known, version="fold")
    said = head.predict(base_fit.vectors_of(model, evidence)[fold].astype(np.float32))
    return said.overall, said.epistemic_var


def _write_left_out(path: Path, tasks: Sequence[Task], left_out: LeftOut) -> None:
    scored = [task for task in tasks if math.isfinite(task.score)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "score", "guess", "doubt"])
        for task, guess, doubt in zip(scored, left_out.guess, left_out.doubt, strict=True):
            writer.writerow([Path(task.path).name, task.score, f"{guess:.4f}", f"{doubt:.4f}"])


def read_left_out(path: Path) -> LeftOut:
    """What an earlier run said of the scored pictures it had left out, in their order."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return LeftOut(*(np.array([float(row[name]) for row in rows]) for name in ("guess", "doubt")))


def fit_and_write(
    evidence: Evidence, encoder: EncoderWeights, options: argparse.Namespace, left_out: LeftOut | None
) -> tuple[str, LeftOut | None]:
    """Fit everything on the evidence and write the weights file; returns its digest, and what was said of
    scored pictures left out: by whom is given, else by fits of the head alone."""
    version = "fitting"
    model = base_fit.fit_features(evidence, version=version, size=options.size, taught=encoder.taught)
    vectors = base_fit.vectors_of(model, evidence)
    left_out = left_out or base_fit.leave_out(vectors, evidence)
    head = base_fit.fit_base_head(vectors, evidence, version=version, left_out=left_out)
    body = encoder.shipped()
    body |= model_to_tensors(model)
    body |= {f"head.{name}": value for name, value in head_to_tensors(head).items()}
    meta = {
        "seed": options.seed,
        "rows": len(evidence.source),
        "feature_code": FEATURE_CODE,
        "size": options.size,
    }
    digest = write_tensors(options.out, body, meta)
    shutil.copyfile(options.out / f"{digest}.safetensors", options.out / "base.safetensors")
    return digest, left_out


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitrine pretrain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--photos", type=Path, nargs="*", default=[], help="folders of people's product photos"
    )
    parser.add_argument("--shop", type=Path, nargs="*", default=[], help="folders of shops' product photos")
    parser.add_argument("--studio", type=int, default=160, help="photos of our own studio to take and add")
    parser.add_argument(
        "--told", type=Path, help="CSV with path (folder first), and 0-1 per defect people saw"
    )
    parser.add_argument(
        "--data", "--scores", dest="scores", type=Path, help="CSV with path, and score (0-100) or mos (1-5)"
    )
    parser.add_argument("--tuned", type=Path, help="folder of tuned encoders (default: ImageNet's)")
    parser.add_argument("--left-out", type=Path, help="a left_out.csv: spares fitting the folds again")
    parser.add_argument("--backbone", default="lite0", help="lite0, lite1, lite2, or hf:FOLDER (extra [hf])")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=400, help="photos per folder")
    parser.add_argument("--size", type=int, default=VECTOR_SIZE, help="numbers kept of the network's vector")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="also keep the evidence in this .npz")
    return parser


def _keep(path: Path, evidence: Evidence, tasks: Sequence[Task]) -> None:
    np.savez(
        path,
        raw=evidence.raw,
        measures=evidence.measures,
        source=evidence.source,
        fault=np.array([str(fault or "") for fault in evidence.fault]),
        severity=evidence.severity,
        people=evidence.people,
        is_shop=evidence.is_shop,
        group=np.array(evidence.group),
        told=evidence.told,
        path=np.array([task.path for task in tasks]),
    )


def calibration_views(tasks: Sequence[Task]) -> list[ByteArray]:
    """Both views of a hundred rows through all: between which limits an encoder's values lie."""
    some = [views_of(picture_of(task)) for task in tasks[:: 1 + len(tasks) // CALIBRATION_ROWS]]
    return [view for views in some for view in (views.whole, views.crop)]


def _start(files: Sequence[Path], locator: Locator | None) -> None:
    _encoders[:] = [open_encoder(file) for file in files]
    _locators[:] = [] if locator is None else [locator]


def _work(task: Task) -> tuple[list[FloatArray], FloatArray]:
    picture = picture_of(task)
    views = views_of(picture)
    seen = [encode([(views.whole, views.crop)])[0] for encode in _encoders]
    likely = [locator.likely(seen[0].maps) for locator in _locators]
    measured = measured_on_product(picture, views, likely[0] if likely else None)
    return [each.raw for each in seen], measure_row(measured)
