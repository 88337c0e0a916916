"""``python -m scoring.tune``: tune the encoder, by degradations first, then, if asked, by people's scores.

    python -m scoring.tune --photos FOLDER ... --out FOLDER [--mix 0.5] [--scores CSV [--folds 5]]

The encoder written is a mean of the tuned and the untuned weights (Wortsman et al., arXiv 2109.01903): it has
learned faults and forgotten little of what ImageNet taught. With ``--folds`` it also tunes one encoder per
fold that never saw the fold's scores, and prints the cross-validated SRCC of a ridge on its features beside
the untuned encoder's. Runs on CUDA where there is one, else (slowly, at smaller ``--steps``) on the CPU.
``vitrine pretrain --tuned`` takes the folder.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterator, Sequence
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
from scoring.core.lite import feature_count
from scoring.core.metrics import srcc
from scoring.core.network import Encoder, imagenet_encoder
from scoring.core.recipes import OF_SCORES, USUAL_OF_SCORES, Losses, losses_of
from scoring.core.ridge import kfold, ridge_predictions
from scoring.core.train_loop import Batch, Schedule, Tuned
from scoring.core.types import FloatArray
from scoring.encoders import UNSCORED
from scoring.photos import draw_of, seen_photos
from scoring.tune_pictures import FAULT_NAMES, Pairs, Pool, Scored, read_scored, score_batches

USUAL = 256  # pictures that say what is usual
Rows = npt.NDArray[np.int64]
CROPS_ASKED = ((0.5, 0.5), (0.3, 0.3), (0.7, 0.7), (0.3, 0.7), (0.7, 0.3))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(argv)
    losses.seed_everything(options.seed)
    torch.backends.cudnn.benchmark = True
    say, pool = _Clock(), Pool(options.pool, options.device)
    degraded = by_degradations(options, pool, say)
    write_model(degraded, "degradations", options)
    told: dict[str, Any] = {}
    final = degraded
    if options.scores is not None:
        scored = read_scored(options.scores, side=options.side, device=options.device)
        rows = np.arange(len(scored.native))
        if options.folds:
            told = cross_validate(degraded, scored, pool, kfold(len(rows), options.folds), say, options)
        final = by_scores(degraded, scored, pool, rows, options, seed=options.seed)
    digest = write_mixed(final.encoder, options)
    print(json.dumps({"encoder": digest, "device": options.device, "seconds": say.seconds, **told}))
    return 0


def by_degradations(options: argparse.Namespace, pool: Pool, say: _Clock) -> Tuned:
    """Stage one: no human score is seen, and no photo of the groups that tests are kept for."""
    photos = [
        photo.path
        for folder in options.photos
        for photo in seen_photos(folder, limit=options.limit, rng=draw_of(folder, options.seed))
    ]
    model = Tuned(imagenet_encoder(), feature_count(), len(FAULT_NAMES)).to(options.device)
    fresh = _fresh_pairs(photos, options)
    for _ in range(options.ahead):
        pool.add(next(fresh))
    rng = np.random.default_rng(options.seed)
    usual = pool.draw(4 * options.batch, rng)
    standardise(model, usual["better_whole"], usual["better_crop"])
    schedule = Schedule(
        steps=options.steps, encoder_rate=options.rate, freeze_statistics=True, memory=options.memory
    )

    def batches() -> Iterator[Batch]:
        while True:
            pool.add(next(fresh))
            yield pool.draw(options.pairs, rng)

    def told(number: int, loss: float) -> None:
        if number % 200 == 0:
            say(f"degradations {number}/{options.steps}: {loss:.4f}")

    train_loop.run(model, batches(), pair_step, schedule, device=options.device, on_step=told)
    return model


def _fresh_pairs(photos: Sequence[Path], options: argparse.Namespace) -> Iterator[dict[str, Tensor]]:
    return iter(
        torch.utils.data.DataLoader(
            Pairs(photos, options.seed, options.side),
            batch_size=options.batch,
            num_workers=options.workers,
            pin_memory=options.device == "cuda",
            prefetch_factor=4 if options.workers else None,
        )
    )


def standardise(model: Tuned, whole: Tensor, crop: Tensor) -> None:
    """Set what the heads call usual from these views."""
    with torch.no_grad():
        pooled = torch.cat(model.encoder.eval()(torch.cat([whole, crop])).chunk(2), dim=1).float()
        model.norm.load_state_dict(
            {
                "running_mean": pooled.mean(0),
                "running_var": pooled.var(0) + 1e-3,
                "num_batches_tracked": torch.tensor(0),
            }
        )


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
    wanted[torch.arange(2 * count, device=fault.device), batch["kind"].repeat(2)] = severity.to(wanted.dtype)
    # Severity and kind at once: each fault's logit must tell how much of that fault there is.
    named = functional.binary_cross_entropy_with_logits(fault, wanted) * len(FAULT_NAMES) / 4
    return ordered + named


def by_scores(
    start: Tuned, scored: Scored, pool: Pool, rows: Rows, options: argparse.Namespace, *, seed: int
) -> Tuned:
    """Stage two: people's scores of these rows only, while a few pairs keep what stage one taught."""
    model = copy.deepcopy(start)
    rng = np.random.default_rng(seed)
    usual = rows[:USUAL].tolist()
    standardise(model, *scored.views(usual, _middle(len(usual))))
    torch.nn.init.zeros_(model.score_head.weight)
    schedule = Schedule(
        steps=options.epochs * (len(rows) // options.batch),
        encoder_rate=options.score_rate,
        head_rate=options.head_rate,
        freeze_statistics=True,
        weight_decay=1e-3,
        memory=options.memory,
    )

    def step(model: Tuned, batch: Batch) -> Tensor:
        loss = score_step(model, batch, options.losses)
        if options.keep:
            loss = loss + options.keep * pair_step(model, pool.draw(max(2, options.batch // 4), rng))
        return loss

    batches = score_batches(scored, rows, epochs=options.epochs, batch=options.batch, rng=rng)
    train_loop.run(model, batches, step, schedule, device=options.device)
    return model


def score_step(model: Tuned, batch: Batch, chosen: Losses) -> Tensor:
    """People's scores: usually Norm-in-Norm and ranking shape the order, a little MSE keeps the scale."""
    return losses.chosen_loss(chosen, model.score(model(batch["whole"], batch["crop"])), batch["target"])


def cross_validate(
    start: Tuned,
    scored: Scored,
    pool: Pool,
    folds: Sequence[Rows],
    say: _Clock,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """SRCC by fold: ImageNet features, degradation-tuned features, and encoders tuned without the fold."""
    plain = features_of(imagenet_encoder().to(options.device), scored, options)
    by_faults = features_of(start.encoder.eval(), scored, options)
    told: dict[str, list[float]] = {"imagenet": [], "degradations": [], "tuned": [], "direct": [], "both": []}
    for number, test in enumerate(folds):
        train = np.concatenate([fold for k, fold in enumerate(folds) if k != number])
        tuned = by_scores(start, scored, pool, train, options, seed=options.seed + number)
        ridged = {
            name: ridge_predictions(features, scored.targets, train, test)
            for name, features in (
                ("imagenet", plain),
                ("degradations", by_faults),
                ("tuned", features_of(tuned.encoder.eval(), scored, options)),
            )
        }
        direct = direct_scores(tuned, scored, test)
        both = ridged["tuned"] + direct  # both in grades
        guesses: dict[str, npt.NDArray[Any]] = {**ridged, "direct": direct, "both": both}
        for name, guess in guesses.items():
            told[name].append(srcc(guess, scored.targets[test]))
        say(f"fold {number}: " + ", ".join(f"{name} {values[-1]:.4f}" for name, values in told.items()))
        write_model(tuned, f"fold{number}", options)
    means = {name: round(float(np.mean(values)), 4) for name, values in told.items()}
    say(f"mean: {means}")
    return {"srcc": means, "folds": {name: [round(v, 4) for v in values] for name, values in told.items()}}


def features_of(encoder: Encoder, scored: Scored, options: argparse.Namespace) -> FloatArray:
    """Raw features (N, 2F) of two views, the crop in the middle."""
    rows = []
    with torch.inference_mode():
        for start in range(0, len(scored.native), options.batch):
            some = range(start, min(start + options.batch, len(scored.native)))
            views = scored.views(list(some), _middle(len(some)))
            rows.append(torch.cat([encoder(view).float() for view in views], dim=1).cpu().numpy())
    return np.concatenate(rows)


def _middle(count: int) -> FloatArray:
    return np.full((count, 2), 0.5, dtype=np.float32)


def direct_scores(model: Tuned, scored: Scored, rows: Rows) -> FloatArray:
    """The score head's own predictions, mean over a few crops."""
    model.eval()
    sums = np.zeros(len(rows), dtype=np.float32)
    with torch.inference_mode():
        for where in CROPS_ASKED:
            for start in range(0, len(rows), 64):
                some = rows[start : start + 64].tolist()
                whole, crop = scored.views(some, np.tile(np.array(where, dtype=np.float32), (len(some), 1)))
                sums[start : start + len(some)] += model.score(model(whole, crop)).float().cpu().numpy()
    return np.asarray(sums / len(CROPS_ASKED), dtype=np.float32)


def write_model(model: Tuned, name: str, options: argparse.Namespace) -> str:
    """Write encoder and teaching heads as FOLDER/name.safetensors; returns the digest."""
    state = {
        key: value.detach().float().cpu().contiguous().numpy().astype(np.float16)
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    meta = {"stage": name, "seed": options.seed, "steps": options.steps}
    out: Path = options.out
    digest = write_tensors(out, state, meta)
    (out / f"{digest}.safetensors").replace(out / f"{name}.safetensors")
    (out / f"{digest}.json").replace(out / f"{name}.json")
    return digest


def write_mixed(encoder: Encoder, options: argparse.Namespace) -> str:
    """Write FOLDER/encoder.safetensors: the mean of untuned and tuned weights; returns the digest."""
    tuned = {name: value.detach().float().cpu() for name, value in encoder.state_dict().items()}
    mixed = {
        f"encoder.{name}": (value + options.mix * (tuned[name] - value)).numpy().astype(np.float16)
        for name, value in imagenet_encoder().state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    mixed[UNSCORED] = np.array([options.scores is None], dtype=np.uint8)
    digest = write_tensors(options.out, mixed, {"stage": "encoder", "seed": options.seed, "mix": options.mix})
    for end in ("safetensors", "json"):
        (options.out / f"{digest}.{end}").replace(options.out / f"encoder.{end}")
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


def _losses(words: str) -> Losses:
    try:
        return losses_of(words, OF_SCORES) or USUAL_OF_SCORES
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _parser() -> argparse.ArgumentParser:
    is_cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(prog="python -m scoring.tune", description=__doc__)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--scores", type=Path, help="CSV of path and score (0-100): tune by these as well")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mix", type=float, default=0.5, help="share of tuned weights beside ImageNet's")
    parser.add_argument("--limit", type=int, default=600, help="photos per folder")
    parser.add_argument("--steps", type=int, default=1200, help="of stage one")
    parser.add_argument("--batch", type=int, default=32, help="new pairs of a step; scored pictures of one")
    parser.add_argument("--pairs", type=int, default=64, help="pairs a step of stage one sees, new and again")
    parser.add_argument("--pool", type=int, default=16384 if is_cuda else 256, help="pairs kept to see again")
    parser.add_argument("--ahead", type=int, default=8, help="batches made before the first step")
    parser.add_argument("--rate", type=float, default=1.5e-4, help="of the encoder in stage one")
    parser.add_argument("--epochs", type=int, default=24, help="over people's scores")
    parser.add_argument("--score-rate", type=float, default=6e-5, help="of the encoder in stage two")
    parser.add_argument("--head-rate", type=float, default=5e-4, help="of the score head in stage two")
    choice = f"of stage two, weighted, as mse:0.3,ranking; there are {', '.join(OF_SCORES)}"
    parser.add_argument("--losses", type=_losses, default="", help=choice)
    parser.add_argument("--keep", type=float, default=0.3, help="weight of pairs in stage two")
    parser.add_argument("--memory", type=float, default=0.99, help="of the running mean of weights")
    parser.add_argument("--side", type=int, default=CROP_SIDE, help="pixels of a view; serving: the default")
    parser.add_argument("--device", default="cuda" if is_cuda else "cpu")
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=2026)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
