"""A table of pictures and what people said of them: what evaluate, pretrain and tune read.

A CSV whose paths stand beside it: a column ``path``, and ``score`` (0-100) or ``mos`` (1-5). It may also have
``category``, ``std`` with ``votes`` (for the ceiling the labels set), and of any defect a column of the share
of people who saw it, 0-1. Commas, semicolons or tabs part the cells.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scoring.core.types import ACR_HIGH, ACR_LOW, Defect, score_from_vote

VOTE_COLUMNS = ("votes", "n_votes", "n_ratings", "n_ratings_avg")
KNOWN = {"path", "score", "mos", "category", "std", *VOTE_COLUMNS, *map(str, Defect)}
PARTED_BY = ",;\t"
COLUMNS_NEEDED = "it needs the columns path, and score (0-100) or mos (1-5)"


class TableError(ValueError):
    """This is no table of labels; the message says what is wrong with it, for people."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One row: the picture as the table names it and where it lies, and what people said of it."""

    name: str
    path: Path
    score: float
    category: str = ""
    spread: float = math.nan  # standard deviation of their votes in points; NaN where votes were not counted
    variance: float = math.nan  # of the people's mean; NaN where votes were not counted
    defects: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table, and its columns nobody asks for."""

    rows: list[Labelled]
    passed_over: list[str]


def read_labels(table: Path) -> Table:
    """Rows of a table of labels; TableError names it and says which line is wrong and why."""
    try:
        return _read(table)
    except (OSError, ValueError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TableError(f"{table} cannot be used: {reason}") from error


def read_faults(table: Path) -> dict[str, dict[Defect, bool]]:
    """Of photos by name, which defects people saw in them (a share of half or more) and which they did not:
    a table with ``path`` and columns of defects, whose empty cells say that nobody looked."""
    try:
        columns, lines = _lines(table)
        named = [defect for defect in Defect if str(defect) in columns]
        if "path" not in columns or not named:
            raise ValueError("it needs a column path and one or more that are named as defects are")
        told: dict[str, dict[Defect, bool]] = {}
        for number, cells in lines:
            try:
                if cells["path"] in told:
                    raise ValueError(f"{cells['path']} stands in a line before already")
                told[cells["path"]] = {
                    defect: _number(cells, defect, low=0, high=1) >= 0.5 for defect in named if cells[defect]
                }
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
        return told
    except (OSError, ValueError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TableError(f"{table} cannot be used: {reason}") from error


def _read(table: Path) -> Table:
    columns, lines = _lines(table)
    if "path" not in columns or not {"score", "mos"} & set(columns):
        raise ValueError(COLUMNS_NEEDED)
    rows: list[Labelled] = []
    first: dict[str, int] = {}
    for number, cells in lines:
        try:
            row = _labelled(table.parent, cells)
            if first.setdefault(os.path.normpath(row.path), number) != number:
                raise ValueError(f"{row.name} stands in line {first[os.path.normpath(row.path)]} already")
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        rows.append(row)
    return Table(rows, [name for name in columns if name and name not in KNOWN])


def _lines(table: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """The columns, and each line's number with its cells by column; empty lines are left out."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("it is not text in UTF-8") from error
    header = text.split("\n", 1)[0]
    reader = csv.reader(text.splitlines(keepends=True), delimiter=max(PARTED_BY, key=header.count))
    columns = [name.strip() for name in next(reader, [])]

    def lines() -> Iterator[tuple[int, dict[str, str]]]:
        for cells in reader:
            if any(cells):
                yield reader.line_num, _by_column(columns, cells, reader.line_num)

    return columns, lines()


def _by_column(columns: Sequence[str], cells: Sequence[str], line: int) -> dict[str, str]:
    if len(cells) != len(columns):
        raise ValueError(f"line {line}: it has {len(cells)} cells, the header {len(columns)}")
    return {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}


def _labelled(folder: Path, cells: Mapping[str, str]) -> Labelled:
    if not cells["path"]:
        raise ValueError("it names no picture")
    spread, votes = _spread(cells)
    return Labelled(
        name=cells["path"],
        path=folder / cells["path"],
        score=_score(cells),
        category=cells.get("category", ""),
        spread=spread,
        variance=spread**2 / votes,
        defects={name: _number(cells, name, low=0, high=1) for name in map(str, Defect) if cells.get(name)},
    )


def _score(cells: Mapping[str, str]) -> float:
    if cells.get("score"):
        return _number(cells, "score", low=0, high=100)
    if cells.get("mos"):
        return score_from_vote(_number(cells, "mos", low=ACR_LOW, high=ACR_HIGH))
    raise ValueError("it has neither a score (0-100) nor a mos (1-5)")


def _spread(cells: Mapping[str, str]) -> tuple[float, float]:
    """How far people differed, in points, and how many they were; NaN both where they were not counted.
    ``std`` is in the unit of what stands beside it: points, or votes 1-5."""
    counted = next((name for name in VOTE_COLUMNS if cells.get(name)), None)
    if counted is None or not cells.get("std"):
        return math.nan, math.nan
    votes = _number(cells, counted, low=0, high=math.inf)
    if votes == 0:
        return math.nan, math.nan
    points = 1.0 if cells.get("score") else score_from_vote(ACR_LOW + 1)
    return _number(cells, "std", low=0, high=math.inf) * points, votes


def _number(cells: Mapping[str, str], name: str, *, low: float, high: float) -> float:
    try:
        value = float(cells[name])
    except ValueError:
        raise ValueError(f"{name} is {cells[name]!r}, not a number") from None
    if not (math.isfinite(value) and low <= value <= high):
        wanted = f"{low:g}-{high:g}" if math.isfinite(high) else f"what can be: {low:g} or more"
        raise ValueError(f"{name} is {value:g}, outside {wanted}")
    return value
