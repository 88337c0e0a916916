"""A dataset in other people's formats: CSV, JSON lines, Label Studio, COCO.

All writers take an iterator and write text or yield lines, so that a worker can stream a large set.
Cells that a spreadsheet would run as a formula are quoted.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from scoring.core.foreign import own_mark
from scoring.core.types import Defect, Dimension, nearest_vote, vote_from_score

PIECE_CHARS = 1 << 16
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One labelled picture. ``target_score`` and dimensions 0-100; ``histogram`` counts votes 1-5."""

    image_id: int
    digest: str
    file_name: str
    width: int
    height: int
    product_id: str
    title: str
    category: str
    seller: str
    split: str
    target_score: float
    target_std: float
    weight: float
    vote_count: int
    histogram: tuple[int, ...] = ()
    dimensions: Mapping[str, float] = field(default_factory=dict)
    defects: Mapping[str, float] = field(default_factory=dict)


ROW_COLUMNS = (
    "image_id",
    "digest",
    "file_name",
    "width",
    "height",
    "product_id",
    "title",
    "category",
    "seller",
    "split",
    "target_score",
    "target_std",
    "weight",
    "vote_count",
    *(f"votes_{grade}" for grade in range(1, 6)),
    *(str(dimension) for dimension in Dimension),
    *(str(defect) for defect in Defect),
)


def safe_cell(value: object) -> object:
    """A text cell no spreadsheet runs as a formula; numbers pass unchanged."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value


def row_values(row: ExportRow) -> list[object]:
    """The cells of a row in the order of ROW_COLUMNS; an unknown dimension or defect is empty."""
    votes = (*row.histogram, 0, 0, 0, 0, 0)[:5]
    return [
        row.image_id,
        row.digest,
        row.file_name,
        row.width,
        row.height,
        safe_cell(row.product_id),
        safe_cell(row.title),
        safe_cell(row.category),
        safe_cell(row.seller),
        row.split,
        round(row.target_score, 3),
        round(row.target_std, 3),
        round(row.weight, 6),
        row.vote_count,
        *votes,
        *(row.dimensions.get(dimension, "") for dimension in Dimension),
        *(row.defects.get(defect, "") for defect in Defect),
    ]


def write_csv(rows: Iterable[ExportRow], out: IO[str]) -> int:
    """One line per picture; returns how many."""
    writer = csv.writer(out)
    writer.writerow(ROW_COLUMNS)
    count = 0
    for row in rows:
        writer.writerow(row_values(row))
        count += 1
    return count


def write_json_lines(rows: Iterable[ExportRow], out: IO[str]) -> int:
    """One JSON object per picture and line."""
    count = 0
    for row in rows:
        record = dict(zip(ROW_COLUMNS, row_values(row), strict=True))
        out.write(json.dumps({k: v for k, v in record.items() if v != ""}, ensure_ascii=False) + "\n")
        count += 1
    return count


def write_label_studio(rows: Iterable[ExportRow], out: IO[str], *, image_prefix: str = "") -> int:
    """Label Studio tasks with one rating annotation each (1-5 stars, the nearest ACR vote)."""
    return _write_array((_label_studio_task(row, image_prefix) for row in rows), out)


def _label_studio_task(row: ExportRow, image_prefix: str) -> dict[str, Any]:
    stars = nearest_vote(row.target_score)
    rating = {
        "id": own_mark(stars),
        "from_name": "rating",
        "to_name": "image",
        "type": "rating",
        "value": {"rating": stars},
    }
    return {
        "id": row.image_id,
        "data": {
            "image": image_prefix + row.file_name,
            "product_id": row.product_id,
            "title": row.title,
            "category": row.category,
            "seller": row.seller,
        },
        "meta": {"split": row.split, "mos": round(vote_from_score(row.target_score), 4)},
        "annotations": [{"result": [rating], "ground_truth": row.split == "holdout"}],
    }


def write_coco(rows: Iterable[ExportRow], out: IO[str], *, name: str, spool: IO[str]) -> int:
    """COCO: pictures with their score, one whole-picture annotation per defect people confirmed.

    The file is an object of arrays and rows come once, so the annotations wait in ``spool``, an empty
    file that can be read back, until the pictures are written.
    """
    ids = {defect: number for number, defect in enumerate(Defect, start=1)}
    categories = [{"id": ids[d], "name": str(d), "supercategory": "defect"} for d in Defect]
    head = {"info": {"description": name, "version": "1.0"}, "categories": categories}
    out.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "images": [')
    count = found = 0
    for row in rows:
        out.write((",\n" if count else "\n") + json.dumps(_coco_image(row), ensure_ascii=False))
        count += 1
        for defect in Defect:
            if row.defects.get(defect, 0.0) >= 0.5:
                annotation = _coco_annotation(row, defect, number=found + 1, category=ids[defect])
                spool.write((",\n" if found else "\n") + json.dumps(annotation))
                found += 1
    out.write('\n], "annotations": [')
    spool.seek(0)
    while piece := spool.read(PIECE_CHARS):
        out.write(piece)
    out.write("\n]}\n")
    return count


def _coco_annotation(row: ExportRow, defect: Defect, *, number: int, category: int) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": row.image_id,
        "category_id": category,
        "bbox": [0, 0, row.width, row.height],
        "area": row.width * row.height,
        "iscrowd": 0,
        "score": row.defects[defect],
    }


def _coco_image(row: ExportRow) -> dict[str, Any]:
    return {
        "id": row.image_id,
        "file_name": row.file_name,
        "width": row.width,
        "height": row.height,
        "quality": {"score": row.target_score, "std": row.target_std, "split": row.split},
    }


def _write_array(records: Iterable[Mapping[str, Any]], out: IO[str]) -> int:
    out.write("[")
    count = 0
    for record in records:
        out.write((",\n" if count else "\n") + json.dumps(record, ensure_ascii=False))
        count += 1
    out.write("\n]\n")
    return count
