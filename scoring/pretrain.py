"""``vitrine pretrain``: make the weights that ship with the package, reproducibly.

    vitrine pretrain --photos FOLDER ... --shop FOLDER ... --scores CSV --out FOLDER [--tuned FOLDER]

``--photos`` and ``--shop`` are product photos without scores, by people and by shops: they are degraded by
seeded faults. A quarter of their groups (``scoring.photos``) is never touched, so that benches can ask about
photos nobody trained on. ``--scores`` is a CSV with the columns path and score (0-100). One seed draws all.

``--tuned`` is what ``python -m scoring.tune --folds 5`` wrote: the encoder, and one per fold that never saw
the fold's scores. Each of those is taken through the whole fit without its fold; what it then says of the
fold calibrates the intervals and is written to left_out.csv, for benches.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import multiprocessing
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scoring.core import base_fit
from scoring.core.base_fit import LeftOut
from scoring.core.checkpoint import write_tensors
from scoring.core.decode import Picture
from scoring.core.degrade import degrade
from scoring.core.evidence import Array, Evidence
from scoring.core.features import (
    FEATURE_CODE,
    measure_row,
    measured_on_product,
    model_to_tensors,
    views_of,
)
from scoring.core.foreground import before_plain
from scoring.core.head import head_to_tensors
from scoring.core.locate import Locator
from scoring.core.look import Encode
from scoring.core.metrics import srcc
from scoring.core.ridge import kfold
from scoring.core.sample import plan_catalogue, render
from scoring.core.types import ByteArray, Defect, FloatArray
from scoring.encoders import EncoderWeights, export, open_encoder, read_encoders
from scoring.photos import draw_of, read_photo, seen_photos

CALIBRATION_ROWS = 100
FAULTS = 2  # single faults per photo
RENDER_SEED = 7
HARD_TO_TELL = {
    Defect.TEXT_OVERLAY,
    Defect.COLOUR_CAST,
    Defect.CROPPED,
    Defect.OVER_EXPOSED,
    Defect.UNDER_EXPOSED,
}
HARD_CHANCE = 2.0
CUT_OUT_SHARE = 0.25  # of shops' photos before one plain surface, shown once more on black
VECTOR_SIZE = 384


@dataclass(frozen=True, slots=True)
class Task:
    """One row of evidence to make: a picture, and the fault to give it (None: none)."""

    path: str
    fault: Defect | None = None
    severity: float = 0.0
    seed: int = 0
    score: float = math.nan
    source: int = -1
    group: str = ""
    is_shop: bool = False
    is_cut_out: bool = False


_encoders: list[Encode] = []
_locators: list[Locator] = []


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    folders = dict.fromkeys(options.photos, False) | dict.fromkeys(options.shop, True)
    if options.rendered:
        folders[render_photos(options.out / "rendered", options.rendered)] = True
    tasks = plan(folders, options.scores, limit=options.limit, seed=options.seed)
    print(f"{len(tasks)} rows of evidence", flush=True)
    views = calibration_views(tasks)
    left_out = read_left_out(options.left_out) if options.left_out else None
    found = read_encoders(options.tuned, options.backbone)[: 1 if left_out else None]
    encoders = [encoder.ranged(views) for encoder in found]
    files = [export(encoder, options.out, f"encoder{number}") for number, encoder in enumerate(encoders)]
    evidence, *folds = gather(tasks, files, processes=options.processes, locator=encoders[0].locator)
    if options.keep is not None:
        _keep(options.keep, evidence, tasks)
    if folds:
        left_out = leave_out(folds, encoders[1:], options)
        _write_left_out(options.out / "left_out.csv", tasks, left_out)
    digest = fit_and_write(evidence, encoders[0], options, left_out)
    print(json.dumps({"weights": str(options.out / "base.safetensors"), "sha256": digest}))
    return 0


def render_photos(folder: Path, count: int) -> Path:
    """Faultless pictures of the code's own studio, by another seed than the sample catalogue's."""
    folder.mkdir(parents=True, exist_ok=True)
    shots = [shot for shot in plan_catalogue(count=4 * count, seed=RENDER_SEED) if shot.fault is None][:count]
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "product_group"])
        for shot in shots:
            (folder / shot.name).write_bytes(render(shot))
            writer.writerow([shot.name, shot.product_id])
    return folder


def plan(folders: Mapping[Path, bool], scores: Path | None, *, limit: int, seed: int) -> list[Task]:
    """Rows to make, drawn from one seed: scored pictures, then seen photos each followed by its faults.

    ``folders`` says of each whether it is a shop's. Each photo gets FAULTS single faults, those that are
    hard to tell more often, and one more at two severities, light and heavy. Some of the shops' photos come
    again at the end, cut out and on black: what a transparent picture becomes where its transparency is lost
    says nothing of how the product was lit.
    """
    tasks = _scored_tasks(scores) if scores is not None else []
    cut_outs = []
    for folder, is_shop in folders.items():
        rng = draw_of(folder, seed)
        photos = seen_photos(folder, limit=limit, rng=rng)
        for photo in photos:
            tasks += _with_faults(Task(path=str(photo.path), group=photo.group, is_shop=is_shop), tasks, rng)
        chosen = [photo for photo in photos if is_shop and rng.random() < CUT_OUT_SHARE]
        cut_outs += [(photo, rng) for photo in chosen if before_plain(read_photo(photo.path))]
    for photo, rng in cut_outs:
        clean = Task(path=str(photo.path), group=photo.group, is_shop=True, is_cut_out=True)
        tasks += _with_faults(clean, tasks, rng)
    return tasks


def _with_faults(clean: Task, before: Sequence[Task], rng: np.random.Generator) -> list[Task]:
    """An untouched photo, which will stand behind those ``before``, and its faults."""
    chances = np.array([HARD_CHANCE if defect in HARD_TO_TELL else 1.0 for defect in Defect])
    faults = rng.choice(len(Defect), size=FAULTS + 1, replace=False, p=chances / chances.sum())
    tasks = [clean]
    for k, number in enumerate(faults):
        draw, severity = int(rng.integers(2**31)), float(rng.uniform(0.15, 1.0))
        light_and_heavy = (severity * 0.45, min(1.0, severity * 0.45 + 0.5))
        for strength in light_and_heavy if k == FAULTS else (severity,):
            fault = list(Defect)[number]
            tasks.append(replace(clean, fault=fault, severity=strength, seed=draw, source=len(before)))
    return tasks


def _scored_tasks(scores: Path) -> list[Task]:
    with scores.open(encoding="utf-8", newline="") as file:
        return [
            Task(path=str(scores.parent / row["path"]), score=float(row["score"]), group=row["path"])
            for row in csv.DictReader(file)
        ]


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
        )
        for raw in raws
    ]


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
) -> str:
    """Fit everything on the evidence and write the weights file; returns its digest."""
    version = "fitting"
    model = base_fit.fit_features(evidence, version=version, size=options.size, taught=encoder.taught)
    head = base_fit.fit_base_head(
        base_fit.vectors_of(model, evidence), evidence, version=version, left_out=left_out
    )
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
    return digest


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vitrine pretrain", description=__doc__)
    parser.add_argument(
        "--photos", type=Path, nargs="*", default=[], help="folders of people's product photos"
    )
    parser.add_argument("--shop", type=Path, nargs="*", default=[], help="folders of shops' product photos")
    parser.add_argument(
        "--rendered", type=int, default=60, help="pictures of our own studio to add as a shop's"
    )
    parser.add_argument("--scores", type=Path, help="CSV with path and score (0-100)")
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
        path=np.array([task.path for task in tasks]),
    )


def calibration_views(tasks: Sequence[Task]) -> list[ByteArray]:
    """Both views of a hundred rows through all: between which limits an encoder's values lie."""
    some = [views_of(_picture(task)) for task in tasks[:: 1 + len(tasks) // CALIBRATION_ROWS]]
    return [view for views in some for view in (views.whole, views.crop)]


def cut_out(rgb: ByteArray) -> ByteArray:
    """The product alone, on black; the picture as it is where no plain surface lies behind the product."""
    product = before_plain(rgb)
    if product is None:
        return rgb
    mask = Image.fromarray(product.mask.astype(np.uint8) * 255)
    alpha = np.asarray(mask.resize(rgb.shape[1::-1], Image.Resampling.BILINEAR), dtype=np.uint16)
    return np.asarray(rgb * alpha[:, :, None] // 255, dtype=np.uint8)


def _picture(task: Task) -> Picture:
    rgb = read_photo(Path(task.path))
    if task.is_cut_out:
        rgb = cut_out(rgb)
    if task.fault is not None:
        rgb = degrade(rgb, task.fault, task.severity, np.random.default_rng(task.seed)).rgb
    return Picture(rgb)


def _start(files: Sequence[Path], locator: Locator | None) -> None:
    _encoders[:] = [open_encoder(file) for file in files]
    _locators[:] = [] if locator is None else [locator]


def _work(task: Task) -> tuple[list[FloatArray], FloatArray]:
    picture = _picture(task)
    views = views_of(picture)
    seen = [encode([(views.whole, views.crop)])[0] for encode in _encoders]
    likely = [locator.likely(seen[0].maps) for locator in _locators]
    measured = measured_on_product(picture, views, likely[0] if likely else None)
    return [each.raw for each in seen], measure_row(measured)
