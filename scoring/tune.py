"""``python -m scoring.tune``: tune the encoder, by degradations first, then by people's scores.

    python -m scoring.tune --photos FOLDER ... --scores CSV --out FOLDER [--folds 5] [--steps 2500]

With ``--folds`` it also tunes one encoder per fold that never saw the fold's pictures, and prints the
cross-validated SRCC of a ridge on its features beside the untuned encoder's. Runs on CUDA where there is
one, else (slowly, at smaller ``--steps``) on the CPU. ``vitrine pretrain --encoder`` takes the result.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from scoring.core import losses, train_loop
from scoring.core.checkpoint import write_tensors
from scoring.core.features import CROP_SIDE
from scoring.core.metrics import srcc
from scoring.core.network import Encoder, feature_count, imagenet_encoder
from scoring.core.ridge import kfold, ridge_predictions
from scoring.core.train_loop import Batch, Schedule, Tuned
from scoring.core.types import ByteArray, FloatArray
from scoring.photos import photos_of
from scoring.tune_pictures import FAULT_NAMES, Pairs, Scored, read_scored, score_batches, views_at

Rows = npt.NDArray[np.int64]
CROPS_ASKED = ((0.5, 0.5), (0.3, 0.3), (0.7, 0.7), (0.3, 0.7), (0.7, 0.3))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(argv)
    losses.seed_everything(options.seed)
    torch.backends.cudnn.benchmark = True
    scored, say = read_scored(options.scores), _Clock()
    say(f"{options.device}, {len(scored.pictures)} scored pictures")
    degraded = by_degradations(options, say)
    _write(degraded.encoder, "degradations", options)
    rows = np.arange(len(scored.pictures))
    told: dict[str, Any] = {}
    if options.folds:
        told = cross_validate(degraded, scored, kfold(len(rows), options.folds), say, options)
    final = by_scores(degraded, scored, rows, options, seed=options.seed)
    digest = _write(final.encoder, "encoder", options)
    print(json.dumps({"encoder": digest, "device": options.device, "seconds": say.seconds, **told}))
    return 0


def by_degradations(options: argparse.Namespace, say: _Clock) -> Tuned:
    """Stage one: no human score is seen, and no photo of the groups that tests are kept for."""
    photos = [photo.path for f in options.photos for photo in photos_of(f) if not photo.is_unseen]
    model = Tuned(imagenet_encoder(), feature_count(), len(FAULT_NAMES)).to(options.device)
    loader = torch.utils.data.DataLoader(
        Pairs(photos, options.seed, options.side),
        batch_size=options.batch,
        num_workers=options.workers,
        pin_memory=options.device == "cuda",
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
        device=options.device,
        on_step=told,
    )
    return model


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
    wanted[torch.arange(2 * count), batch["kind"].repeat(2)] = severity.to(wanted.dtype)
    # Severity and kind at once: each fault's logit must tell how much of that fault there is.
    named = functional.binary_cross_entropy_with_logits(fault, wanted) * len(FAULT_NAMES) / 4
    return ordered + named


def by_scores(start: Tuned, scored: Scored, rows: Rows, options: argparse.Namespace, *, seed: int) -> Tuned:
    """Stage two: people's scores of these rows only."""
    model = copy.deepcopy(start)
    torch.nn.init.zeros_(model.score_head.weight)
    batches = score_batches(
        scored,
        rows.tolist(),
        epochs=options.epochs,
        batch=options.batch,
        side=options.side,
        rng=np.random.default_rng(seed),
    )
    schedule = Schedule(
        steps=options.epochs * (len(rows) // options.batch),
        encoder_rate=6e-5,
        head_rate=5e-4,
        freeze_statistics=True,
        weight_decay=1e-3,
    )
    train_loop.run(model, batches, score_step, schedule, device=options.device)
    return model


def score_step(model: Tuned, batch: Batch) -> Tensor:
    """People's scores: Norm-in-Norm and ranking shape the order, a little MSE keeps the scale."""
    guess, truth = model.score(model(batch["whole"], batch["crop"])), batch["target"]
    return (
        losses.norm_in_norm(guess, truth)
        + 0.5 * losses.ranking(guess, truth)
        + 0.3 * losses.mse(guess, truth)
        + 0.5 * losses.plcc(guess, truth)
    )


def cross_validate(
    start: Tuned, scored: Scored, folds: Sequence[Rows], say: _Clock, options: argparse.Namespace
) -> dict[str, Any]:
    """SRCC by fold: ImageNet features, degradation-tuned features, and encoders tuned without the fold."""
    plain = features_of(imagenet_encoder().to(options.device), scored.pictures, options)
    by_faults = features_of(start.encoder.eval(), scored.pictures, options)
    told: dict[str, list[float]] = {"imagenet": [], "degradations": [], "tuned": [], "direct": [], "both": []}
    for number, test in enumerate(folds):
        train = np.concatenate([fold for k, fold in enumerate(folds) if k != number])
        tuned = by_scores(start, scored, train, options, seed=options.seed + number)
        ridged = {
            name: ridge_predictions(features, scored.targets, train, test)
            for name, features in (
                ("imagenet", plain),
                ("degradations", by_faults),
                ("tuned", features_of(tuned.encoder.eval(), scored.pictures, options)),
            )
        }
        direct = _direct(tuned, scored, test, options)
        guesses: dict[str, npt.NDArray[Any]] = {**ridged, "direct": direct, "both": ridged["tuned"] + direct}
        for name, guess in guesses.items():
            told[name].append(srcc(guess, scored.targets[test]))
        say(f"fold {number}: " + ", ".join(f"{name} {values[-1]:.4f}" for name, values in told.items()))
        if options.keep_folds:
            _write(tuned.encoder, f"fold{number}", options)
    means = {name: round(float(np.mean(values)), 4) for name, values in told.items()}
    say(f"mean: {means}")
    return {"srcc": means, "folds": {name: [round(v, 4) for v in values] for name, values in told.items()}}


def features_of(encoder: Encoder, pictures: Sequence[ByteArray], options: argparse.Namespace) -> FloatArray:
    """Raw features (N, 2F) of two views."""
    rows = []
    with torch.inference_mode():
        for start in range(0, len(pictures), options.batch):
            views = [views_at(picture, options.side) for picture in pictures[start : start + options.batch]]
            parts = [
                encoder(torch.from_numpy(np.stack([v[k] for v in views])).to(options.device)).float().cpu()
                for k in (0, 1)
            ]
            rows.append(np.concatenate([part.numpy() for part in parts], axis=1))
    return np.concatenate(rows)


def _direct(model: Tuned, scored: Scored, rows: Rows, options: argparse.Namespace) -> FloatArray:
    """The score head's own predictions, mean over a few crops."""
    model.eval()
    sums = np.zeros(len(rows), dtype=np.float32)
    with torch.inference_mode():
        for where in CROPS_ASKED:
            for start in range(0, len(rows), options.batch):
                some = rows[start : start + options.batch]
                views = [views_at(scored.pictures[k], options.side, where) for k in some]
                whole, crop = (
                    torch.from_numpy(np.stack([v[k] for v in views])).to(options.device) for k in (0, 1)
                )
                sums[start : start + len(some)] += model.score(model(whole, crop)).float().cpu().numpy()
    return np.asarray(sums / len(CROPS_ASKED), dtype=np.float32)


def _write(encoder: Encoder, name: str, options: argparse.Namespace) -> str:
    state = {
        key: value.detach().float().cpu().numpy().astype(np.float16)
        for key, value in encoder.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    meta = {"stage": name, "seed": options.seed, "steps": options.steps}
    out: Path = options.out
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
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=24, help="over people's scores")
    parser.add_argument("--side", type=int, default=CROP_SIDE, help="pixels of a view; serving: the default")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--keep-folds", action="store_true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=2026)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
