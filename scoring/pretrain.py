"""``vitrine pretrain``: make the weights that ship with the package, reproducibly.

    vitrine pretrain --photos FOLDER [FOLDER ...] --scores CSV --out FOLDER [--encoder FILE]

``--photos`` are product pictures without scores: they are degraded by seeded faults. ``--scores`` is a CSV
with the columns path and score (0-100). Everything is drawn from one seed.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scoring.core import base_fit
from scoring.core.checkpoint import read_tensor_file, write_tensors
from scoring.core.decode import Picture
from scoring.core.degrade import degrade
from scoring.core.features import FEATURE_CODE, model_to_tensors, views_of
from scoring.core.head import head_to_tensors
from scoring.core.measures import MEASURE_NAMES
from scoring.core.types import Defect, FloatArray

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
LONGEST = 1000  # photos are brought to at most this size before they are degraded
VECTOR_SIZE = 384


@dataclass(frozen=True, slots=True)
class Task:
    """One row of evidence to make: a picture, and the fault to give it (None: none)."""

    path: str
    fault: Defect | None
    severity: float
    seed: int
    score: float
    source: int


_session: Any = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(argv)
    tasks = plan(
        options.photos, options.scores, per_photo=options.faults, limit=options.limit, seed=options.seed
    )
    print(f"{len(tasks)} rows of evidence", flush=True)
    tensors = _encoder_tensors(options.encoder)
    graph = options.out / "encoder.onnx"
    options.out.mkdir(parents=True, exist_ok=True)
    _export(tensors, graph)
    evidence = gather(tasks, graph, processes=options.processes)
    if options.keep is not None:
        _keep(options.keep, evidence, tasks)
    digest = fit_and_write(evidence, tensors, options)
    print(json.dumps({"weights": str(options.out / "base.safetensors"), "sha256": digest}))
    return 0


def plan(photos: Sequence[Path], scores: Path | None, *, per_photo: int, limit: int, seed: int) -> list[Task]:
    """Rows to make, drawn from one seed: scored pictures, then photos each followed by its faults."""
    rng = np.random.default_rng(seed)
    tasks: list[Task] = []
    if scores is not None:
        with scores.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                tasks.append(Task(str(scores.parent / row["path"]), None, 0.0, 0, float(row["score"]), -1))
    for folder in photos:
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
        for index in rng.permutation(len(found))[:limit]:
            source = len(tasks)
            tasks.append(Task(str(found[index]), None, 0.0, 0, np.nan, -1))
            for fault in rng.choice(np.array(list(Defect), dtype=object), size=per_photo, replace=False):
                severity = float(rng.uniform(0.15, 1.0))
                tasks.append(
                    Task(str(found[index]), Defect(fault), severity, int(rng.integers(2**31)), np.nan, source)
                )
    return tasks


def gather(tasks: Sequence[Task], graph: Path, *, processes: int) -> base_fit.Evidence:
    """Raw network vectors and measures of every task, in order, by several processes."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(processes, _start, (str(graph),)) as pool:
        rows = []
        for done, row in enumerate(pool.imap(_work, tasks, chunksize=4), start=1):
            rows.append(row)
            if done % 500 == 0:
                print(f"{done} of {len(tasks)}", flush=True)
    scored = np.array([np.isfinite(task.score) for task in tasks])
    return base_fit.Evidence(
        raw=np.stack([row[0] for row in rows]),
        measures=np.stack([row[1] for row in rows]),
        source=np.array([task.source for task in tasks], dtype=np.int64),
        fault=[task.fault for task in tasks],
        severity=np.array([task.severity for task in tasks]),
        people=np.array([task.score for task in tasks]),
        may_be_accused=scored,
    )


def fit_and_write(evidence: base_fit.Evidence, tensors: dict[str, Any], options: argparse.Namespace) -> str:
    """Fit everything on the evidence and write the weights file; returns its digest."""
    version = "fitting"
    model = base_fit.fit_features(evidence, version=version, size=options.size)
    head = base_fit.fit_base_head(
        base_fit.vectors_of(model, evidence),
        evidence,
        version=version,
        rng=np.random.default_rng(options.seed),
    )
    body = {f"encoder.{name}": value.astype(np.float16) for name, value in tensors.items()}
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
    parser.add_argument("--photos", type=Path, nargs="*", default=[], help="folders of product pictures")
    parser.add_argument("--scores", type=Path, help="CSV with path and score (0-100)")
    parser.add_argument("--encoder", type=Path, help="safetensors of a tuned encoder (default: ImageNet)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--faults", type=int, default=4, help="faults per photo")
    parser.add_argument("--limit", type=int, default=400, help="photos per folder")
    parser.add_argument("--size", type=int, default=VECTOR_SIZE, help="numbers kept of the network's vector")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="also keep the evidence in this .npz")
    return parser


def _encoder_tensors(path: Path | None) -> dict[str, Any]:
    """Encoder weights by name, without the counters batch norm keeps for training."""
    if path is not None:
        return {name.removeprefix("encoder."): value for name, value in read_tensor_file(path).items()}
    from scoring.core.network import imagenet_encoder

    state = imagenet_encoder().state_dict()
    return {name: value.numpy() for name, value in state.items() if not name.endswith("num_batches_tracked")}


def _export(tensors: dict[str, Any], graph: Path) -> None:
    import torch

    from scoring.core.network import export_onnx, load_encoder

    export_onnx(
        load_encoder({n: torch.from_numpy(np.asarray(v, np.float32)) for n, v in tensors.items()}), graph
    )


def _keep(path: Path, evidence: base_fit.Evidence, tasks: Sequence[Task]) -> None:
    np.savez(
        path,
        raw=evidence.raw,
        measures=evidence.measures,
        source=evidence.source,
        fault=np.array([str(fault or "") for fault in evidence.fault]),
        severity=evidence.severity,
        people=evidence.people,
        may_be_accused=evidence.may_be_accused,
        path=np.array([task.path for task in tasks]),
    )


def _start(graph: str) -> None:
    global _session
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    _session = onnxruntime.InferenceSession(graph, options)


def _work(task: Task) -> tuple[FloatArray, FloatArray]:
    with Image.open(task.path) as image:
        image.draft("RGB", (LONGEST, LONGEST))
        upright = image.convert("RGB")
        upright.thumbnail((LONGEST, LONGEST))
        rgb = np.asarray(upright, dtype=np.uint8)
    if task.fault is not None:
        rgb = degrade(rgb, task.fault, task.severity, np.random.default_rng(task.seed)).rgb
    views = views_of(Picture(rgb))
    raw = [_session.run(None, {"pictures": view[None]})[0][0] for view in (views.whole, views.crop)]
    measures = np.array([views.measured.values[name] for name in MEASURE_NAMES], dtype=np.float32)
    return np.concatenate(raw).astype(np.float32), measures
