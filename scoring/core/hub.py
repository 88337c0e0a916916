"""A dataset as the Hugging Face hub lays it out: Parquet by split, and a card that says what it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import IO, Any

from scoring.core.exports import ExportRow
from scoring.core.types import Defect, Dimension

ROWS_AT_ONCE = 5000  # of one Parquet row group, and of what is in memory
# our split: what the hub calls it
SPLIT_NAMES: Mapping[str, str] = {"train": "train", "calibration": "validation", "holdout": "test"}


def parquet_name(split: str) -> str:
    """Path of a split's one file inside the dataset; ``split`` is ours."""
    return f"data/{SPLIT_NAMES[split]}-00000-of-00001.parquet"


def write_parquet(rows: Iterable[ExportRow], out: IO[bytes]) -> int:
    """Rows as Parquet, a few thousand in memory at a time; ``out`` need not be seekable."""
    import pyarrow as arrow
    from pyarrow import parquet

    schema, count = _schema(), 0
    with parquet.ParquetWriter(arrow.PythonFile(_Counted(out), mode="w"), schema) as writer:
        for batch in _batches(rows):
            records = [_record(row) for row in batch]
            writer.write_table(arrow.Table.from_pylist(records, schema=schema))
            count += len(records)
    return count


def _batches(rows: Iterable[ExportRow]) -> Iterator[list[ExportRow]]:
    source = iter(rows)
    while batch := list(islice(source, ROWS_AT_ONCE)):
        yield batch


def _schema() -> Any:
    import pyarrow as arrow

    text, whole, real = arrow.string(), arrow.int64(), arrow.float64()
    words = ("digest", "file_name", "product_id", "title", "category", "seller")
    return arrow.schema(
        [
            ("image_id", whole),
            *((name, text) for name in words),
            *((name, arrow.int32()) for name in ("width", "height", "vote_count")),
            *((name, real) for name in ("target_score", "target_std", "weight")),
            ("votes", arrow.list_(arrow.int32())),
            *((str(name), real) for name in (*Dimension, *Defect)),
        ]
    )


def _record(row: ExportRow) -> dict[str, Any]:
    """A row by column; what nobody judged is null."""
    told: dict[str, Any] = {
        name: getattr(row, name)
        for name in ("image_id", "digest", "file_name", "width", "height", "product_id", "title")
    }
    told |= {name: getattr(row, name) for name in ("category", "seller", "target_score", "target_std")}
    told |= {"weight": row.weight, "vote_count": row.vote_count, "votes": list(row.histogram)}
    told |= {str(name): row.dimensions.get(name) for name in Dimension}
    return told | {str(name): row.defects.get(name) for name in Defect}


class _Counted:
    """What Arrow asks of a file that it only appends to."""

    closed = False

    def __init__(self, out: IO[bytes]) -> None:
        self.out, self.place = out, 0

    def write(self, data: bytes) -> int:
        self.out.write(data)
        self.place += len(data)
        return len(data)

    def tell(self) -> int:
        return self.place

    def flush(self) -> None:
        """The file is flushed by whoever opened it."""

    def close(self) -> None:
        """Likewise closed."""


def dataset_card(*, name: str, digest: str, note: str, rows: Mapping[str, int]) -> str:
    """README.md of the dataset; ``rows`` counts by our splits. The head is YAML the hub reads."""
    head = [
        "---",
        f"pretty_name: {json.dumps(name, ensure_ascii=False)}",
        "license: other",
        "task_categories:",
        "- image-classification",
        "tags:",
        "- image-quality-assessment",
        f"size_categories:\n- {_size_category(sum(rows.values()))}",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(f"  - split: {SPLIT_NAMES[s]}\n    path: {parquet_name(s)}" for s in SPLIT_NAMES if rows.get(s)),
        "---",
    ]
    table = [f"| {SPLIT_NAMES[split]} | {split} | {rows.get(split, 0)} |" for split in SPLIT_NAMES]
    return "\n".join([*head, "", f"# {name}", "", *([note, ""] if note else []), _CARD, *table, ""]) + (
        f"\nSHA-256 of the frozen rows: `{digest}`. The same labels freeze to the same digest.\n"
    )


_CARD = """Quality labels of product pictures, given by people and frozen by Vitrine.

* `target_score`: mean opinion of those who voted, 0 (bad) to 100 (excellent); `target_std` how sure it
  is, `weight` = 1 / variance. 25 points are one grade of the ACR scale.
* `votes`: how many people said 1 (bad), 2, 3, 4, 5 (excellent).
* Dimensions (`sharpness`, `colour`, …) are scores 0-100; defects (`noise`, `cropped`, …) the probability
  0-1 that the picture has it. What nobody judged is null.
* `digest` is the SHA-256 of the picture as it came in; the pictures themselves are not in these files.

Splits are drawn by product and seller, so that pictures of one product never stand on both sides. `test`
holds pictures that were drawn at random before any model chose what to ask: judge models there.

| split | in Vitrine | rows |
|---|---|---|"""


def _size_category(rows: int) -> str:
    """The hub's word for so many rows."""
    bounds = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    return next((words for most, words in bounds if rows < most), "1M<n<10M")
