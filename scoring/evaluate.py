"""``vitrine evaluate``: measure a model against people's labels, without any server.

    vitrine evaluate --data labels.csv [--out FOLDER] [--pass 60]
                     [--model champion [--house FOLDER] [--unseen]]

The CSV names pictures beside it: a column ``path``, and ``score`` (0-100) or ``mos`` (1-5). It may also
have ``category``, ``std`` with ``votes`` (for the ceiling the labels set), and of any defect a column of the
share of people who saw it, 0-1. ``--out`` takes report.json, report.txt, predictions.csv and two plots.

The model is the one that ships with Vitrine, or what VITRINE_WEIGHTS names. ``--model`` takes one of a house:
champion (makes new scores), displayed (whose scores people see), or a name from the Models page.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scoring.core import plots, report
from scoring.core.exports import safe_cell
from scoring.core.report import Answers
from scoring.core.types import Defect
from scoring.kept import Chosen, KeptModel, base_kept
from scoring.labelled import Labelled, TableError, read_labels
from scoring.offline import FileScore, Scorer, score_files, score_paths

MOST_NAMED = 10  # of the pictures that could not be scored

Choose = Callable[[str, Path | None], Chosen]  # the model of this name in the house of this data folder


def main(
    argv: Sequence[str] | None = None, *, scorer: Scorer | None = None, choose: Choose | None = None
) -> int:
    """Run the command; returns the exit status: 2 for a CSV that cannot be used.

    ``choose`` finds a model of a house, and raises RuntimeError with words for people where it cannot.
    """
    options = _parser().parse_args(argv)
    try:
        table = read_labels(options.data)
    except TableError as error:
        print(error, file=sys.stderr)
        return 2
    if table.passed_over:
        print(f"Columns passed over: {', '.join(table.passed_over)}", file=sys.stderr)
    try:
        chosen = _chosen(options, choose)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    rows, taught = parted(table.rows, chosen.taught, unseen=options.unseen)
    results = score_paths([str(row.path) for row in rows], scorer or partial(score_files, model=chosen.model))
    results = in_their_category(results, rows, chosen.model)
    scored = [(row, result) for row, result in zip(rows, results, strict=True) if not result.error]
    _tell_unscored(rows, results)
    if len(scored) < 2:
        print("Fewer than two of the pictures could be scored.", file=sys.stderr)
        return 1
    answers = answers_of(scored)
    told = report.report_of(answers, rng=np.random.default_rng(options.seed), pass_mark=options.pass_mark)
    print(f"Model: {chosen.model.name}")
    print(report.as_text(told))
    if options.out is not None:
        about = {"model": chosen.model.name, "taught_by_these": 0 if options.unseen else taught}
        _write(options.out, told, answers, [row for row, _ in scored], about)
    return 0


def _chosen(options: argparse.Namespace, choose: Choose | None) -> Chosen:
    """The model asked for; without a word the one that needs no house."""
    if options.model is None:
        if options.house is not None or options.unseen:
            raise RuntimeError("--house and --unseen belong to --model: say which model of the house.")
        return Chosen(base_kept())
    if choose is None:
        raise RuntimeError("There is no house to take a model from.")
    return choose(options.model, options.house)


def parted(rows: Sequence[Labelled], taught: frozenset[str], *, unseen: bool) -> tuple[list[Labelled], int]:
    """The rows to judge by, and how many of all have taught the model: on those it is flattered."""
    seen = [bool(taught) and _has_taught(row.path, taught) for row in rows]
    if any(seen):
        words = "left out" if unseen else "figures on them flatter it; --unseen leaves them out"
        told = f"{sum(seen)} of {len(rows)} pictures taught this model or set its intervals: {words}."
        print(told, file=sys.stderr)
    return [row for row, was in zip(rows, seen, strict=True) if not (unseen and was)], sum(seen)


def _has_taught(path: Path, taught: frozenset[str]) -> bool:
    """Whether these bytes came in once and taught; pictures of the media folder bear their digest as name."""
    if path.stem in taught:
        return True
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() in taught
    except OSError:
        return False


def in_their_category(
    results: Sequence[FileScore], rows: Sequence[Labelled], model: KeptModel
) -> list[FileScore]:
    """The same scores with the interval of each picture's category, where the model has one of its own."""
    head = model.head()
    if not head.category_factors:
        return list(results)
    told = []
    for result, reach in zip(results, head.factors([row.category for row in rows]), strict=True):
        if result.overall is not None and result.std is not None:
            half = float(reach) * result.std
            result = replace(
                result, interval=(max(0.0, result.overall - half), min(100.0, result.overall + half))
            )
        told.append(result)
    return told


def _tell_unscored(rows: Sequence[Labelled], results: Sequence[FileScore]) -> None:
    """Which pictures could not be scored, and why: all figures are without them."""
    lost = [(row.name, result.error) for row, result in zip(rows, results, strict=True) if result.error]
    if lost:
        print(f"{len(lost)} of {len(rows)} pictures could not be scored:", file=sys.stderr)
    for name, reason in lost[:MOST_NAMED]:
        print(f"  {name}: {reason}", file=sys.stderr)
    if len(lost) > MOST_NAMED:
        print(f"  and {len(lost) - MOST_NAMED} more", file=sys.stderr)


def answers_of(scored: Sequence[tuple[Labelled, FileScore]]) -> Answers:
    """Rows and their scores side by side."""
    rows, results = [row for row, _ in scored], [result for _, result in scored]
    seen = [name for name in map(str, Defect) if any(name in (row.defects or {}) for row in rows)]
    return Answers(
        predicted=_column([result.overall for result in results]),
        people=np.array([row.score for row in rows]),
        std=_column([result.std for result in results]),
        low=_column([result.interval[0] if result.interval else None for result in results]),
        high=_column([result.interval[1] if result.interval else None for result in results]),
        categories=[row.category for row in rows],
        label_spread=np.array([row.spread for row in rows]),
        label_variance=np.array([row.variance for row in rows]),
        said={name: _column([(result.defects or {}).get(name) for result in results]) for name in seen},
        true={name: np.array([(row.defects or {}).get(name, float("nan")) for row in rows]) for name in seen},
    )


def _column(values: Sequence[float | None]) -> report.Array:
    return np.array([float("nan") if value is None else value for value in values], dtype=np.float64)


def _write(
    out: Path, told: report.Report, answers: Answers, rows: Sequence[Labelled], about: dict[str, Any]
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(about | told.as_dict(), indent=1) + "\n", encoding="utf-8")
    text = f"Model: {about['model']}\n{report.as_text(told)}\n"
    (out / "report.txt").write_text(text, encoding="utf-8")
    picture = plots.scatter(
        answers.people, answers.predicted, title=f"{told.pictures} pictures, SRCC {told.srcc.value:.3f}"
    )
    (out / "scatter.svg").write_text(picture, encoding="utf-8")
    kept = report.kept_coverage(np.abs(answers.predicted - answers.people), answers.std)
    curve = plots.reliability(report.LEVELS, kept, title="Intervals: promised and kept")
    (out / "intervals.svg").write_text(curve, encoding="utf-8")
    with (out / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "people", "predicted", "low", "high"])
        for k, row in enumerate(rows):
            figures = (answers.people[k], answers.predicted[k], answers.low[k], answers.high[k])
            writer.writerow([safe_cell(row.name), *(f"{figure:.2f}" for figure in figures)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitrine evaluate",
        description="Measure a model against people's labels.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=__doc__,
    )
    parser.add_argument("--data", type=Path, required=True, help="CSV of labels, beside its pictures")
    parser.add_argument("--out", type=Path, help="folder for the report, its figures and its plots")
    parser.add_argument(
        "--pass", dest="pass_mark", type=float, default=60.0, help="score from which a picture passes"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--model", help="of a house: champion, displayed, or a name from the Models page")
    parser.add_argument("--house", type=Path, help="its data folder (default: $VITRINE_DATA, else ./var)")
    parser.add_argument("--unseen", action="store_true", help="leave out pictures that taught the model")
    return parser
