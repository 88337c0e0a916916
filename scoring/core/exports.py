"""A dataset in other people's formats: Label Studio, COCO, Croissant, CSV of rows and of votes.

All writers take an iterator and write text or yield lines, so that a worker can stream a large set.
Cells that a spreadsheet would run as a formula are quoted.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from scoring.core.types import Defect, Dimension, nearest_vote, vote_from_score

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
CROISSANT_VERSION = "http://mlcommons.org/croissant/1.0"


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
    rating = {
        "from_name": "rating",
        "to_name": "image",
        "type": "rating",
        "value": {"rating": nearest_vote(row.target_score)},
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


def write_coco(rows: Iterable[ExportRow], out: IO[str], *, name: str) -> int:
    """COCO: pictures with their score, one whole-picture annotation per defect people confirmed.

    The file is an object of three arrays, so the pictures are listed before they can be streamed.
    """
    kept = list(rows)
    ids = {defect: number for number, defect in enumerate(Defect, start=1)}
    annotations = [
        {
            "image_id": row.image_id,
            "category_id": ids[defect],
            "bbox": [0, 0, row.width, row.height],
            "area": row.width * row.height,
            "iscrowd": 0,
            "score": row.defects[defect],
        }
        for row in kept
        for defect in Defect
        if row.defects.get(defect, 0.0) >= 0.5
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    body = {
        "info": {"description": name, "version": "1.0"},
        "images": [_coco_image(row) for row in kept],
        "annotations": annotations,
        "categories": [{"id": ids[d], "name": str(d), "supercategory": "defect"} for d in Defect],
    }
    json.dump(body, out, ensure_ascii=False)
    return len(kept)


def _coco_image(row: ExportRow) -> dict[str, Any]:
    return {
        "id": row.image_id,
        "file_name": row.file_name,
        "width": row.width,
        "height": row.height,
        "quality": {"score": row.target_score, "std": row.target_std, "split": row.split},
    }


def croissant(*, name: str, description: str, digest: str, csv_name: str, url: str) -> dict[str, Any]:
    """Croissant 1.0 metadata (JSON-LD) of a dataset whose rows stand in ``csv_name``.

    ``digest`` is the SHA-256 of that file. Source: MLCommons Croissant format specification 1.0.
    """
    numbers = {"target_score", "target_std", "weight", *map(str, Dimension), *map(str, Defect)}
    whole = {"image_id", "width", "height", "vote_count", *(f"votes_{grade}" for grade in range(1, 6))}

    def data_type(column: str) -> str:
        return "sc:Float" if column in numbers else "sc:Integer" if column in whole else "sc:Text"

    fields = [
        {
            "@type": "cr:Field",
            "@id": f"rows/{column}",
            "name": column,
            "dataType": data_type(column),
            "source": {"fileObject": {"@id": csv_name}, "extract": {"column": column}},
        }
        for column in ROW_COLUMNS
    ]
    return {
        "@context": _CROISSANT_CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": description,
        "conformsTo": CROISSANT_VERSION,
        "license": "https://spdx.org/licenses/LicenseRef-private",
        "url": url,
        "version": "1.0.0",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": csv_name,
                "name": csv_name,
                "contentUrl": csv_name,
                "encodingFormat": "text/csv",
                "sha256": digest,
            }
        ],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "rows", "name": "rows", "field": fields}],
    }


_CROISSANT_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


@dataclass(frozen=True, slots=True)
class ForeignVote:
    """One rating found in another tool's export: who rated which picture, ACR 1-5."""

    image: str
    rater: str
    rating: int
    product_id: str = ""
    title: str = ""
    category: str = ""
    seller: str = ""


def read_label_studio(text: str) -> Iterator[ForeignVote | str]:
    """Ratings of a Label Studio JSON export; a task that cannot be read yields a plain sentence.

    Takes ``rating`` results (stars 1-5) and ``choices`` results whose choice is an ACR word.
    """
    try:
        tasks = json.loads(text)
    except json.JSONDecodeError as error:
        yield f"This is not JSON: {error}"
        return
    if not isinstance(tasks, list):
        yield "A Label Studio export is a list of tasks."
        return
    for number, task in enumerate(tasks, start=1):
        yield from _task_votes(number, task)


ACR_WORDS = {"bad": 1, "poor": 2, "fair": 3, "good": 4, "excellent": 5}


def _task_votes(number: int, task: Any) -> Iterator[ForeignVote | str]:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("image"), str):
        yield f"Task {number} has no image."
        return
    about = {key: str(data.get(key) or "") for key in ("product_id", "title", "category", "seller")}
    for annotation in task.get("annotations") or []:
        rating = _rating_of(annotation)
        if rating is None:
            yield f"Task {number} has an annotation without a rating from 1 to 5."
            continue
        yield ForeignVote(data["image"], str(annotation.get("completed_by") or "imported"), rating, **about)


def _rating_of(annotation: Any) -> int | None:
    results = annotation.get("result") if isinstance(annotation, dict) else None
    for result in results or []:
        value = result.get("value") or {}
        stars = value.get("rating")
        if isinstance(stars, int) and 1 <= stars <= 5:
            return stars
        choices = value.get("choices") or []
        if choices and str(choices[0]).lower() in ACR_WORDS:
            return ACR_WORDS[str(choices[0]).lower()]
    return None


def _write_array(records: Iterable[Mapping[str, Any]], out: IO[str]) -> int:
    out.write("[")
    count = 0
    for record in records:
        out.write((",\n" if count else "\n") + json.dumps(record, ensure_ascii=False))
        count += 1
    out.write("\n]\n")
    return count
