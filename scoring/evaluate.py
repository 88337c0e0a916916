"""``vitrine evaluate``: measure the model against people's labels, without any server.

    vitrine evaluate --data labels.csv [--out FOLDER] [--pass 60]

The CSV names pictures beside it: a column ``path``, and ``score`` (0-100) or ``mos`` (1-5). It may also
have ``category``, ``std`` with ``votes`` (for the ceiling the labels set), and a column of 0/1 for any
defect. ``--out`` takes report.json, report.txt, predictions.csv and two plots.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scoring.core import plots, report
from scoring.core.exports import safe_cell
from scoring.core.report import Answers
from scoring.core.types import Defect, score_from_vote
from scoring.offline import FileScore, Scorer, score_files, score_paths

VOTE_COLUMNS = ("votes", "n_votes", "n_ratings", "n_ratings_avg")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One row of the CSV: where the picture is, and what people said of it."""

    path: Path
    score: float
    category: str
    variance: float  # of the people's mean, NaN where votes were not counted
    defects: dict[str, float]


def main(argv: Sequence[str] | None = None, *, scorer: Scorer = score_files) -> int:
    """Run the command; returns the exit status: 2 for a CSV that cannot be used."""
    options = _parser().parse_args(argv)
    try:
        rows = read_labels(options.data)
    except (OSError, ValueError) as error:
        print(f"{options.data} cannot be used: {error}", file=sys.stderr)
        return 2
    results = score_paths([str(row.path) for row in rows], scorer)
    scored = [(row, result) for row, result in zip(rows, results, strict=True) if not result.error]
    if len(scored) < 2:
        print("Fewer than two of the pictures could be scored.", file=sys.stderr)
        return 1
    answers = answers_of(scored)
    told = report.report_of(answers, rng=np.random.default_rng(options.seed), pass_mark=options.pass_mark)
    print(report.as_text(told))
    if len(scored) < len(rows):
        print(f"\n{len(rows) - len(scored)} of {len(rows)} pictures could not be scored.")
    if options.out is not None:
        _write(options.out, told, answers, [row for row, _ in scored])
    return 0


def read_labels(table: Path) -> list[Labelled]:
    """Rows of a CSV of labels; ValueError says which line is wrong and why."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or ())
        if "path" not in columns or not columns & {"score", "mos"}:
            raise ValueError("it needs the columns path, and score (0-100) or mos (1-5)")
        rows = []
        for number, row in enumerate(reader, start=2):
            try:
                rows.append(_labelled(table.parent, row))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
        return rows


def _labelled(folder: Path, row: dict[str, str]) -> Labelled:
    score = float(row["score"]) if row.get("score") else score_from_vote(float(row["mos"]))
    if not 0 <= score <= 100:
        raise ValueError(f"a score of {score:g} is outside 0-100")
    votes = next((float(row[name]) for name in VOTE_COLUMNS if row.get(name)), 0.0)
    # A standard deviation is in the unit of the scores beside it: points, or votes 1-5.
    spread = float(row.get("std") or "nan") * (1.0 if row.get("score") else 25.0)
    return Labelled(
        path=folder / row["path"],
        score=score,
        category=row.get("category") or "",
        variance=spread**2 / votes if votes else float("nan"),
        defects={name: float(row[name]) for name in map(str, Defect) if row.get(name)},
    )


def answers_of(scored: Sequence[tuple[Labelled, FileScore]]) -> Answers:
    """Rows and their scores side by side."""
    rows, results = [row for row, _ in scored], [result for _, result in scored]
    variance = np.array([row.variance for row in rows])
    seen = [name for name in map(str, Defect) if any(name in row.defects for row in rows)]
    return Answers(
        predicted=_column([result.overall for result in results]),
        people=np.array([row.score for row in rows]),
        std=_column([result.std for result in results]),
        low=_column([result.interval[0] if result.interval else None for result in results]),
        high=_column([result.interval[1] if result.interval else None for result in results]),
        categories=[row.category for row in rows],
        label_variance=variance if np.isfinite(variance).all() else None,
        said={name: _column([(result.defects or {}).get(name) for result in results]) for name in seen},
        true={name: np.array([row.defects.get(name, float("nan")) for row in rows]) for name in seen},
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
    kept = report.kept_coverage(answers.predicted, answers.people, answers.std)
    curve = plots.reliability(report.LEVELS, kept, title="Intervals: promised and kept")
    (out / "intervals.svg").write_text(curve, encoding="utf-8")
    with (out / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "people", "predicted", "low", "high"])
        for k, row in enumerate(rows):
            figures = (answers.people[k], answers.predicted[k], answers.low[k], answers.high[k])
            writer.writerow([safe_cell(row.path.name), *(f"{figure:.2f}" for figure in figures)])


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
