"""Claim: order of real photos against people, by cross-validation, ahead of a frozen network with a ridge.

Folds are KFold(5, shuffle=True, random_state=0). Ours: the features every score is made of, and a head that
fits four folds and is asked about the fifth; the projection before it has seen pictures, never a score. The
baseline: EfficientNet-Lite0 as it comes, five depths at native and half size, standardised ridge. Needs a
CSV with the columns path and score (0-100), and std with votes for the ceiling, beside its pictures.

Of an encoder that learned from these scores nothing can be said here. One encoder for each fold, tuned
without it (``python -m scoring.tune --folds 5``), may be named by ``--weights 'fold{fold}.safetensors'``. By
``--left-out left_out.csv`` the first head is asked instead, the one that ships and takes the falls of faults
too: what its fits without each fold said of it (``vitrine pretrain``).

python -m bench.srcc --data labels.csv [--weights FILE | --left-out FILE]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.claims import report
from bench.damage import labels_options
from bench.fresh.unscored import FOLD, said_of, unscored_weights
from scoring.core.decode import STRIDE, Picture, whole_view
from scoring.core.graph import float_graph
from scoring.core.graph_nodes import FEATURES, PICTURES
from scoring.core.head import fit_head
from scoring.core.lite import tap_places
from scoring.core.metrics import Array, bootstrap, label_ceiling, paired_bootstrap, plcc, srcc
from scoring.core.ridge import kfold, ridge_predictions
from scoring.core.types import FloatArray
from scoring.device import BASE_WEIGHTS, exported_graph, feature_version
from scoring.encoders import read_encoders
from scoring.labelled import read_labels
from scoring.photos import read_photo
from scoring.pretrain import read_left_out

GAIN_BAR = 0.03
BASELINE_TAPS = (3, 5, 11, 16, 17)  # blocks 2, 4, 10, 15 and the head; the stem is number 0
FOLDS = 5
_session: Any = None
_weights = BASE_WEIGHTS


def main() -> None:
    wanted = labels_options(__doc__)
    if wanted is None:
        return
    rows = read_labels(wanted.data).rows
    people = np.array([row.score for row in rows])
    paths = [row.path for row in rows]
    rng = np.random.default_rng(0)
    folds = kfold(len(rows), FOLDS)
    guess, of_what = (_by_folds if wanted.left_out is None else _left_out)(wanted, paths, people, folds)
    means = {
        name: float(np.mean([srcc(told[fold], people[fold]) for fold in folds]))
        for name, told in guess.items()
    }
    gain = paired_bootstrap(srcc, guess["ours"], guess["plain"], people, rng=rng)
    ceiling = label_ceiling(np.array([row.variance for row in rows]), people)
    whole = bootstrap(srcc, guess["ours"], people, rng=rng)
    linear = bootstrap(plcc, guess["ours"], people, rng=rng)
    asked = "SRCC on real photos" if wanted.left_out is None else "SRCC of the first head on real photos"
    report(
        f"{asked}, mean of five folds",
        means["ours"],
        f"pooled [{whole.low:.3f}, {whole.high:.3f}]",
        f">= baseline + {GAIN_BAR}",
        means["ours"] >= means["plain"] + GAIN_BAR,
        f"{of_what}; frozen Lite0 and ridge {means['plain']:.4f}; "
        f"gain, pooled, [{gain.low:.3f}, {gain.high:.3f}]",
    )
    report("PLCC on the same predictions", linear.value, f"[{linear.low:.3f}, {linear.high:.3f}]", "", None)
    report("SRCC of the highest these labels allow", means["ours"] / ceiling, f"of {ceiling:.3f}", "", None)


def _by_folds(
    wanted: argparse.Namespace, paths: list[Path], people: Array, folds: list[Any]
) -> tuple[dict[str, Array], str]:
    files = weights_by_fold(wanted.weights, paths)
    seen = {file: tables(paths, wanted.keep, file) for file in dict.fromkeys(files)}
    ours = [seen[file][0] for file in files]
    told = _cross_validated(folds, people, lambda k, train, test: _head(ours[k], people, train, test))
    return {"ours": told, "plain": _baseline(seen[files[0]][1], people, folds)}, said_of(files[0])


def _left_out(
    wanted: argparse.Namespace, paths: list[Path], people: Array, folds: list[Any]
) -> tuple[dict[str, Array], str]:
    _, plain = tables(paths, wanted.keep, BASE_WEIGHTS)
    told = read_left_out(wanted.left_out).guess
    return {"ours": told, "plain": _baseline(plain, people, folds)}, "fitted without the fold"


def _baseline(plain: FloatArray, people: Array, folds: list[Any]) -> Array:
    return _cross_validated(
        folds, people, lambda _, train, test: ridge_predictions(plain, people, train, test, standardise=True)
    )


def weights_by_fold(given: Path | None, paths: list[Path]) -> list[Path]:
    """The weights that may be asked about each fold."""
    if given is None or FOLD not in given.name:
        return [unscored_weights(given, paths)] * FOLDS
    named = [given.with_name(given.name.replace(FOLD, str(fold))) for fold in range(FOLDS)]
    return [unscored_weights(file, paths) for file in named]


def _cross_validated(folds: list[Any], people: Array, fit: Callable[[int, Any, Any], Array]) -> Array:
    guess = np.zeros(len(people))
    for number, test in enumerate(folds):
        train = np.concatenate([fold for k, fold in enumerate(folds) if k != number])
        guess[test] = fit(number, train, test)
    return guess


def _head(vectors: FloatArray, people: Array, train: Any, test: Any) -> Array:
    head = fit_head(vectors=vectors[train], overall=people[train], feature_version="bench")
    return head.predict(vectors[test]).overall


def tables(paths: list[Path], keep: Path | None, weights: Path) -> tuple[FloatArray, FloatArray]:
    """Our vectors (N, F) by these weights and the baseline's (N, B); ``keep`` names what is kept of each."""
    if keep is not None:
        keep = keep.with_name(f"{keep.stem}-{feature_version(weights)}.npz")
    if keep is not None and keep.exists():
        kept = np.load(keep)
        return kept["ours"], kept["plain"]
    exported_graph(weights)
    os.environ.update(OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore")
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "plain.onnx"
        graph.write_bytes(float_graph(read_encoders(None)[0].tensors))
        with multiprocessing.get_context("spawn").Pool(2, _start, (str(graph), weights)) as pool:
            both = pool.map(_of_picture, paths, chunksize=4)
    ours, plain = (np.stack([row[k] for row in both]) for k in (0, 1))
    if keep is not None:
        np.savez(keep, ours=ours, plain=plain)
    return ours, plain


def _start(graph: str, weights: Path) -> None:
    global _session, _weights
    import onnxruntime

    _weights = weights

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    _session = onnxruntime.InferenceSession(graph, options)


def _of_picture(path: Path) -> tuple[FloatArray, FloatArray]:
    from bench.damage import as_bytes
    from scoring.device import extract_features

    rgb = read_photo(path)
    sides = [side // STRIDE * STRIDE for side in rgb.shape[:2]]
    native = np.ascontiguousarray(rgb[: sides[0], : sides[1]])
    half = whole_view(Picture(rgb), longest=max(rgb.shape[:2]) // 2)
    places = tap_places()
    plain = [
        np.asarray(_session.run([FEATURES], {PICTURES: view[None]})[0][0][places[tap]])
        for view in (native, half)
        for tap in BASELINE_TAPS
    ]
    return extract_features([as_bytes(rgb)], _weights)[0].vector, np.concatenate(plain)


if __name__ == "__main__":
    main()
