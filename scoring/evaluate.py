"""``vitrine evaluate``: measure the model against people's labels, without any server.

    vitrine evaluate --data labels.csv [--out FOLDER] [--pass 60]

The CSV names pictures beside it: a column ``path``, and ``score`` (0-100) or ``mos`` (1-5). It may also
have ``category``, ``std`` with ``votes`` (for the ceiling the labels set), and of any defect a column of the
share of people who saw it, 0-1. ``--out`` takes report.json, report.txt, predictions.csv and two plots.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scoring.core import plots, report
from scoring.core.exports import safe_cell
from scoring.core.report import Answers
from scoring.core.types import Defect
from scoring.labelled import Labelled, TableError, read_labels
from scoring.offline import FileScore, Scorer, score_files, score_paths

MOST_NAMED = 10  # of the pictures that could not be scored


def main(argv: Sequence[str] | None = None, *, scorer: Scorer = score_files) -> int:
    """Run the command; returns the exit status: 2 for a CSV that cannot be used."""
    options = _parser().parse_args(argv)
    try:
        table = read_labels(options.data)
    except TableError as error:
        print(error, file=sys.stderr)
        return 2
    if table.passed_over:
        print(f"Columns passed over: {', '.join(table.passed_over)}", file=sys.stderr)
    rows = table.rows
    results = score_paths([str(row.path) for row in rows], scorer)
    scored = [(row, result) for row, result in zip(rows, results, strict=True) if not result.error]
    _tell_unscored(rows, results)
    if len(scored) < 2:
        print("Fewer than two of the pictures could be scored.", file=sys.stderr)
        return 1
    answers = answers_of(scored)
    told = report.report_of(answers, rng=np.random.default_rng(options.seed), pass_mark=options.pass_mark)
    print(report.as_text(told))
    if options.out is not None:
        _write(options.out, told, answers, [row for row, _ in scored])
    return 0


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


def _write(out: Path, told: report.Report, answers: Answers, rows: Sequence[Labelled]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(told.as_dict(), indent=1) + "\n", encoding="utf-8")
    (out / "report.txt").write_text(report.as_text(told) + "\n", encoding="utf-8")
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
        description="Measure the model against people's labels.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=__doc__,
    )
    parser.add_argument("--data", type=Path, required=True, help="CSV of labels, beside its pictures")
    parser.add_argument("--out", type=Path, help="folder for the report, its figures and its plots")
    parser.add_argument(
        "--pass", dest="pass_mark", type=float, default=60.0, help="score from which a picture passes"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    return parser
