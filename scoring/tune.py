"""``python -m scoring.tune``: tune the encoder, by degradations first, then by people's scores.

    python -m scoring.tune --photos FOLDER ... --scores CSV --out FOLDER [--folds 5] [--steps 2500]

With ``--folds`` it also tunes one encoder per fold that never saw the fold's pictures, and prints the
cross-validated SRCC of a ridge on its features beside the untuned encoder's. Runs on CUDA where there is
one, else (slowly, at smaller ``--steps``) on the CPU. ``vitrine pretrain --encoder`` takes the result.
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from scoring.core import losses, train_loop
from scoring.core.checkpoint import write_tensors
from scoring.core.decode import native_crop, whole_view
from scoring.core.degrade import degrade
from scoring.core.features import CROP_SIDE, WHOLE_LONGEST
from scoring.core.metrics import srcc
from scoring.core.network import Encoder, feature_count, imagenet_encoder
from scoring.core.train_loop import Batch, Schedule, Tuned
from scoring.core.types import ByteArray, Defect, FloatArray

FAULT_NAMES = list(Defect)
PAIR_BATCH, SCORE_BATCH = 32, 32
SCORE_EPOCHS = 24
PHOTO_LONGEST = 512


@dataclass(frozen=True, slots=True)
class Scored:
    """Pictures with people's scores: uint8 pictures and targets standardised to about -1 to 1."""

    pictures: list[ByteArray]
    targets: FloatArray


class Pairs(torch.utils.data.IterableDataset[dict[str, Tensor]]):
    """Endless pairs of one photo, less and more harmed by one seeded fault."""

    def __init__(self, photos: Sequence[Path], seed: int) -> None:
        self.photos, self.seed = photos, seed

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        torch.set_num_threads(1)
        info = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, info.id if info else 0])
        while True:
            yield _pair(_photo(self.photos[int(rng.integers(len(self.photos)))]), rng)


def _photo(path: Path) -> ByteArray:
    with Image.open(path) as image:
        upright = image.convert("RGB")
        upright.thumbnail((PHOTO_LONGEST, PHOTO_LONGEST))
        return np.asarray(upright, dtype=np.uint8)


def _pair(rgb: ByteArray, rng: np.random.Generator) -> dict[str, Tensor]:
    kind = int(rng.integers(len(FAULT_NAMES)))
    light = 0.0 if rng.random() < 0.5 else float(rng.uniform(0.05, 0.45))
    heavy = float(rng.uniform(light + 0.25, 1.0)) if light < 0.75 else 1.0
    seed = int(rng.integers(2**31))
    better = rgb if light == 0 else degrade(rgb, FAULT_NAMES[kind], light, np.random.default_rng(seed)).rgb
    worse = degrade(rgb, FAULT_NAMES[kind], heavy, np.random.default_rng(seed)).rgb
    if rng.random() < 0.5:
        better, worse = better[:, ::-1], worse[:, ::-1]
    where = (float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.3, 0.7)))
    views = [view for picture in (better, worse) for view in _views(picture, where)]
    names = ("better_whole", "better_crop", "worse_whole", "worse_crop")
    told = {name: torch.from_numpy(view) for name, view in zip(names, views, strict=True)}
    facts = {"light": light, "heavy": heavy, "gap": 0.6 * (heavy - light)}
    return told | {name: torch.tensor(value) for name, value in facts.items()} | {"kind": torch.tensor(kind)}


def _views(rgb: ByteArray, where: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Both views; the whole one brought to a square so that pictures share a batch."""
    picture = np.ascontiguousarray(rgb)
    whole = whole_view(picture, longest=WHOLE_LONGEST)
    square = np.zeros((3, WHOLE_LONGEST, WHOLE_LONGEST), dtype=np.float32)
    if whole.shape[1:] == square.shape[1:]:
        square = whole
    else:
        resized = Image.fromarray(picture).resize((WHOLE_LONGEST, WHOLE_LONGEST), Image.Resampling.BILINEAR)
        square = (np.asarray(resized, dtype=np.float32).transpose(2, 0, 1) - 127.0) / 128.0
    return np.ascontiguousarray(square), native_crop(picture, side=CROP_SIDE, centre=where)


def pair_step(model: Tuned, batch: Batch) -> Tensor:
    """Order the pair, tell the severities apart, name the fault."""
    count = len(batch["gap"])
    whole = torch.cat([batch["better_whole"], batch["worse_whole"]])
    crop = torch.cat([batch["better_crop"], batch["worse_crop"]])
    features = model(whole, crop)
    score, fault = model.score(features), model.fault(features)
    ordered = losses.severity_order(score[:count], score[count:], batch["gap"])
    severity = torch.cat([batch["light"], batch["heavy"]])
    wanted = torch.zeros_like(fault)
    wanted[torch.arange(2 * count), batch["kind"].repeat(2)] = severity
    # Severity and kind at once: each fault's logit must tell how much of that fault there is.
    named = functional.binary_cross_entropy_with_logits(fault, wanted) * len(FAULT_NAMES) / 4
    return ordered + named


def score_step(model: Tuned, batch: Batch) -> Tensor:
    """People's scores: Norm-in-Norm and ranking shape the order, a little MSE keeps the scale."""
    guess = model.score(model(batch["whole"], batch["crop"]))
    truth = batch["target"]
    return (
        losses.norm_in_norm(guess, truth)
        + 0.5 * losses.ranking(guess, truth)
        + 0.3 * losses.mse(guess, truth)
        + 0.5 * losses.plcc(guess, truth)
    )


def score_batches(
    scored: Scored, rows: Sequence[int], epochs: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """Shuffled batches; flips and moved crops only, since scaling and colour change quality."""
    for _ in range(epochs):
        order = rng.permutation(np.asarray(rows))
        for start in range(0, len(order) - SCORE_BATCH + 1, SCORE_BATCH):
            chosen = order[start : start + SCORE_BATCH]
            views = [_moved(scored.pictures[k], rng) for k in chosen]
            yield {
                "whole": torch.from_numpy(np.stack([view[0] for view in views])),
                "crop": torch.from_numpy(np.stack([view[1] for view in views])),
                "target": torch.from_numpy(scored.targets[chosen]),
            }


def _moved(rgb: ByteArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    picture = rgb[:, ::-1] if rng.random() < 0.5 else rgb
    return _views(picture, (float(rng.uniform(0.25, 0.75)), float(rng.uniform(0.25, 0.75))))


def features_of(encoder: Encoder, pictures: Sequence[ByteArray], device: str) -> FloatArray:
    """Raw features (N, 2F) of the two serving views."""
    rows = []
    with torch.inference_mode():
        for start in range(0, len(pictures), 32):
            views = [_views(picture, (0.5, 0.5)) for picture in pictures[start : start + 32]]
            parts = [
                encoder(torch.from_numpy(np.stack([v[k] for v in views])).to(device)).float().cpu().numpy()
                for k in (0, 1)
            ]
            rows.append(np.concatenate(parts, axis=1))
    return np.concatenate(rows)


def ridge_predictions(x: FloatArray, y: FloatArray, train: Sequence[int], test: Sequence[int]) -> FloatArray:
    """Ridge by generalised cross-validation on directions kept at their own scale."""
    a, b = x[train].astype(np.float64), x[test].astype(np.float64)
    centre, level = a.mean(axis=0), float(y[train].mean())
    a, b = a - centre, b - centre
    scale = np.sqrt((a**2).sum(axis=1).mean())
    a, b = a / scale, b / scale
    values, basis = np.linalg.eigh(a @ a.T)
    target = basis.T @ (y[train] - level)
    best = min(np.logspace(-5, 2, 40), key=lambda r: _gcv(values, target, r))
    weights = basis @ (target / (np.maximum(values, 0) + best))
    return np.asarray(level + b @ (a.T @ weights), dtype=np.float32)


def _gcv(values: np.ndarray, target: np.ndarray, ridge: float) -> float:
    hat = np.maximum(values, 0) / (np.maximum(values, 0) + ridge)
    rest = target * (1 - hat)
    return float((rest @ rest) / (1 - hat.mean()) ** 2)


def kfold(count: int, folds: int) -> list[np.ndarray]:
    """The folds of scikit-learn's KFold(folds, shuffle=True, random_state=0)."""
    order = np.arange(count)
    np.random.RandomState(0).shuffle(order)
    return np.array_split(order, folds)


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    losses.seed_everything(options.seed)
    torch.backends.cudnn.benchmark = True
    scored = read_scored(options.scores)
    say = _Clock()
    say(f"{device}, {len(scored.pictures)} scored pictures")
    degraded = by_degradations(options, device, say)
    _write(degraded.encoder, options.out, "degradations", options)
    rows = np.arange(len(scored.pictures))
    results: dict[str, Any] = {}
    if options.folds:
        results = cross_validate(degraded, scored, kfold(len(rows), options.folds), device, say, options)
    final = by_scores(degraded, scored, rows, device, options.seed)
    digest = _write(final.encoder, options.out, "encoder", options)
    print(json.dumps({"encoder": digest, "device": device, "seconds": say.seconds, **results}))
    return 0


def by_degradations(options: argparse.Namespace, device: str, say: _Clock) -> Tuned:
    """Stage one: no human score is seen."""
    photos = sorted(
        p for f in options.photos for p in f.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"}
    )
    model = Tuned(imagenet_encoder(), feature_count(), len(FAULT_NAMES)).to(device)
    loader = torch.utils.data.DataLoader(
        Pairs(photos, options.seed),
        batch_size=PAIR_BATCH,
        num_workers=options.workers,
        pin_memory=device == "cuda",
        prefetch_factor=4 if options.workers else None,
    )

    def told(number: int, loss: float) -> None:
        if number % 200 == 0:
            say(f"degradations {number}/{options.steps}: {loss:.4f}")

    train_loop.run(
        model,
        loader,
        pair_step,
        Schedule(steps=options.steps, encoder_rate=options.rate),
        device=device,
        on_step=told,
    )
    return model


def by_scores(start: Tuned, scored: Scored, rows: np.ndarray, device: str, seed: int) -> Tuned:
    """Stage two: people's scores of these rows only."""
    model = copy.deepcopy(start)
    torch.nn.init.zeros_(model.score_head.weight)
    steps = SCORE_EPOCHS * (len(rows) // SCORE_BATCH)
    train_loop.run(
        model,
        score_batches(scored, rows, SCORE_EPOCHS, np.random.default_rng(seed)),
        score_step,
        Schedule(steps=steps, encoder_rate=6e-5, head_rate=5e-4, freeze_statistics=True, weight_decay=1e-3),
        device=device,
    )
    return model


def cross_validate(
    start: Tuned,
    scored: Scored,
    folds: list[np.ndarray],
    device: str,
    say: _Clock,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """SRCC by fold: ImageNet features, degradation-tuned features, and encoders tuned without the fold."""
    plain = features_of(imagenet_encoder().to(device), scored.pictures, device)
    by_faults = features_of(start.encoder.eval(), scored.pictures, device)
    told: dict[str, list[float]] = {"imagenet": [], "degradations": [], "tuned": [], "direct": [], "both": []}
    for number, test in enumerate(folds):
        train = np.concatenate([fold for k, fold in enumerate(folds) if k != number])
        tuned = by_scores(start, scored, train, device, options.seed + number)
        features = features_of(tuned.encoder.eval(), scored.pictures, device)
        truth = scored.targets[test]
        told["imagenet"].append(srcc(ridge_predictions(plain, scored.targets, train, test), truth))
        told["degradations"].append(srcc(ridge_predictions(by_faults, scored.targets, train, test), truth))
        ridged = ridge_predictions(features, scored.targets, train, test)
        told["tuned"].append(srcc(ridged, truth))
        direct = _direct(tuned, scored, test, device)
        told["direct"].append(srcc(direct, truth))
        told["both"].append(srcc(ridged + direct, truth))
        say(f"fold {number}: " + ", ".join(f"{name} {values[-1]:.4f}" for name, values in told.items()))
        if options.keep_folds:
            _write(tuned.encoder, options.out, f"fold{number}", options)
    means = {name: round(float(np.mean(values)), 4) for name, values in told.items()}
    say(f"mean: {means}")
    return {"srcc": means, "folds": {name: [round(v, 4) for v in values] for name, values in told.items()}}


def _direct(model: Tuned, scored: Scored, rows: np.ndarray, device: str) -> FloatArray:
    """The score head's own predictions, mean over a few crops."""
    model.eval()
    sums = np.zeros(len(rows), dtype=np.float32)
    with torch.inference_mode():
        for where in ((0.5, 0.5), (0.3, 0.3), (0.7, 0.7), (0.3, 0.7), (0.7, 0.3)):
            for start in range(0, len(rows), 32):
                views = [_views(scored.pictures[k], where) for k in rows[start : start + 32]]
                whole, crop = (torch.from_numpy(np.stack([v[k] for v in views])).to(device) for k in (0, 1))
                sums[start : start + 32] += model.score(model(whole, crop)).float().cpu().numpy()
    return sums / 5


def read_scored(path: Path) -> Scored:
    """Scored pictures of a CSV with path and score (0-100), decoded once."""
    pictures, targets = [], []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            with Image.open(path.parent / row["path"]) as image:
                pictures.append(np.asarray(image.convert("RGB"), dtype=np.uint8))
            targets.append((float(row["score"]) - 50) / 25)
    return Scored(pictures, np.array(targets, dtype=np.float32))


def _write(encoder: Encoder, out: Path, name: str, options: argparse.Namespace) -> str:
    state = {
        key: value.detach().float().cpu().numpy().astype(np.float16)
        for key, value in encoder.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    meta = {"stage": name, "seed": options.seed, "steps": options.steps}
    digest = write_tensors(out, state, meta)
    (out / f"{digest}.safetensors").replace(out / f"{name}.safetensors")
    (out / f"{digest}.json").replace(out / f"{name}.json")
    return digest


class _Clock:
    """Prints lines with the seconds since the start."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.began, 1)

    def __call__(self, line: str) -> None:
        print(f"[{self.seconds:7.1f} s] {line}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scoring.tune", description=__doc__)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2500, help="batches of degraded pairs")
    parser.add_argument(
        "--rate", type=float, default=1.5e-4, help="learning rate of the encoder in stage one"
    )
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--keep-folds", action="store_true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=2026)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
