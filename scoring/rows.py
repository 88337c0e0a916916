"""Rows of an import, read from CSV, JSON lines or a list of addresses.

A bad row becomes a record that says why; only a table that cannot be read at all, or has no column
of pictures, is refused as a whole. Knows nothing of the database, so the command line uses it too.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO

from scoring.core.foreign import (
    ABOUT,
    NO_IMAGE,
    NO_RATING,
    OWN_LABEL,
    ForeignTask,
    Told,
    UnreadableError,
    read_label_studio,
    told_in,
)

BYTE_CAP = 256 * 2**20
ROW_CAP = 1_000_000
SNIFFED_BYTES = 2**20
ADDRESS_CHARS = 2000
PRODUCT_ID_CHARS, TITLE_CHARS, NAME_CHARS = 200, 500, 200

REASONS: Mapping[str, str] = {
    "too_large": "The table is larger than 256 MB.",
    "no_rows": "The table is empty.",
    "no_image_column": "The table has no column of pictures, such as image, url or path.",
    "unknown_kind": "This kind of table is not known.",
    "too_many_rows": "The table has more than 1,000,000 rows; the rest was left out.",
    "no_reference": "This row names no picture.",
    "bad_reference": "The address of the picture has a line break or another forbidden character.",
    "field_too_long": "A field of this row is too long.",
    "bad_line": "This line cannot be read.",
    "bad_label": "A vote needs a rater and a rating 1 to 5, a prediction a model and a score 0 to 100.",
    "no_rating": NO_RATING,
    "no_image": NO_IMAGE,
    "own_label": OWN_LABEL,
    "not_json": "This is no JSON of a list of tasks.",
}

# What shops call the columns, without spaces, dashes and case. The first name that a table has wins,
# so "image_url" is preferred to a plain "url" or "link".
COLUMN_NAMES: Mapping[str, str] = {
    "image": "imageurl imageuri imagelink imagesrc imagepath imagefile imagefilename image mainimageurl "
    "mainimage imgurl imgsrc imgpath img pictureurl picture photourl photo images imageurls filepath "
    "filename file path url uri src link 主图链接 主图地址 主图 图片链接 图片地址 图片网址 图片路径 图片url "
    "图片 图像 文件名 文件路径 文件 链接 网址 地址 路径",
    "product": "productid productcode productsku sku skuid itemid itemcode item asin gtin ean upc handle "
    "product id 商品id 商品编号 商品编码 产品id 产品编号 货号 款号 编号 商品",
    "title": "title producttitle productname itemname name 商品标题 商品名称 产品名称 标题 名称 品名",
    "category": "category productcategory categoryname producttype googleproductcategory department type "
    "商品类目 类目 品类 分类 类别",
    "seller": "seller sellerid sellername shop shopname store storename vendor merchant brand "
    "卖家 商家 店铺 店铺名称 店铺名 品牌",
}

_SEPARATORS = re.compile(r"[\s_\-./#:()（）]+")
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


class RowsRefused(Exception):  # noqa: N818 - the word of the domain
    """The table as a whole cannot be used. ``code`` is a key of REASONS, ``reason`` its sentence."""

    def __init__(self, code: str) -> None:
        super().__init__(REASONS[code])
        self.code, self.reason = code, REASONS[code]


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """One picture asked for. ``position`` counts from 1; ``line`` is its line in the table.

    ``reference`` is an address or a path, as written. ``code`` and ``error`` are empty and None for
    a usable row, else a key of REASONS and its sentence. ``told``: what another tool said of the picture.
    """

    position: int
    product_id: str
    title: str
    category: str
    seller: str
    reference: str
    error: str | None = None
    code: str = ""
    line: int = 0
    told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which field of a row plays which part; None where the table has no such column."""

    image: str
    product: str | None
    title: str | None
    category: str | None
    seller: str | None


def parse_rows(
    stream: IO[bytes] | IO[str] | bytes, kind: str, *, row_cap: int = ROW_CAP
) -> Iterator[ImportRecord]:
    """Records of a table: ``kind`` is "csv", "jsonl", "urls" or "label-studio".

    Raises RowsRefused before the first. The text may be UTF-8 with or without BOM, UTF-16, GB 18030 or
    Latin-1.
    """
    readers = {
        "csv": _csv_records,
        "jsonl": _jsonl_records,
        "urls": _url_records,
        "label-studio": _label_studio_records,
    }
    if kind not in readers:
        raise RowsRefused("unknown_kind")
    text = _text(stream)
    if not text.strip():
        raise RowsRefused("no_rows")
    return _numbered(readers[kind](text), row_cap)


def _numbered(records: Iterable[ImportRecord], row_cap: int) -> Iterator[ImportRecord]:
    for position, record in enumerate(records, start=1):
        if position > row_cap:
            yield replace(_refused("too_many_rows", record.line), position=position)
            return
        yield replace(record, position=position)


def _text(stream: IO[bytes] | IO[str] | bytes) -> str:
    raw = stream if isinstance(stream, bytes) else stream.read(BYTE_CAP + 1)
    if len(raw) > BYTE_CAP:
        raise RowsRefused("too_large")
    return raw.removeprefix("\ufeff") if isinstance(raw, str) else _decoded(raw)


def _decoded(raw: bytes) -> str:
    """Text of a table in the encodings shops send; Latin-1 at the end never fails."""
    for bom, encoding in _BOMS:
        if raw.startswith(bom):
            return raw.decode(encoding, errors="replace").removeprefix("\ufeff")
    for encoding in ("utf-8", "gb18030") if _looks_chinese(raw) else ("utf-8",):
        with suppress(UnicodeDecodeError):
            return raw.decode(encoding)
    return raw.decode("latin-1")


def _looks_chinese(raw: bytes) -> bool:
    """Common Chinese characters are pairs of high bytes in GB 18030; accents in Latin-1 stand alone."""
    runs = [len(run) for run in _HIGH_BYTES.findall(raw[:SNIFFED_BYTES])]
    return sum(length % 2 == 0 for length in runs) > len(runs) / 2


def _refused(code: str, line: int) -> ImportRecord:
    return ImportRecord(0, "", "", "", "", "", error=REASONS[code], code=code, line=line)


def _cleaned(value: object) -> str:
    """A value as one line of storable text: no control characters, no lone surrogates."""
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return _CONTROL.sub(" ", text.encode("utf-8", "replace").decode("utf-8")).strip()


def _key(name: object) -> str:
    return _SEPARATORS.sub("", str(name)).casefold()


def _columns(names: Sequence[str]) -> _Columns | None:
    """The parts the columns play, by forgiving names; None where no column names pictures."""
    known = {_key(name): name for name in reversed(names)}
    found = {
        part: next((known[key] for key in candidates.split() if key in known), None)
        for part, candidates in COLUMN_NAMES.items()
    }
    image = found.pop("image")
    return None if image is None else _Columns(image, **found)


def _record(values: Mapping[str, object], columns: _Columns, line: int) -> ImportRecord:
    """One row, with its fields cleaned and its lengths checked."""

    def value(column: str | None) -> str:
        return _cleaned(values.get(column)) if column is not None else ""

    product_id, seller = value(columns.product), value(columns.seller)
    raw = values.get(columns.image)
    reference = raw.strip() if isinstance(raw, str) else ""
    fault = _fault(reference, product_id, seller)
    return ImportRecord(
        position=0,
        product_id=product_id[:PRODUCT_ID_CHARS],
        title=value(columns.title)[:TITLE_CHARS],
        category=value(columns.category)[:NAME_CHARS],
        seller=seller[:NAME_CHARS],
        reference=_cleaned(reference)[:ADDRESS_CHARS],
        error=REASONS[fault] if fault else None,
        code=fault,
        line=line,
    )


def _fault(reference: str, product_id: str, seller: str) -> str:
    """Code of what is wrong with a row, or "". Titles are only cut; what names a thing may not be."""
    if not reference:
        return "no_reference"
    if len(reference) > ADDRESS_CHARS or len(product_id) > PRODUCT_ID_CHARS or len(seller) > NAME_CHARS:
        return "field_too_long"
    return "bad_reference" if _cleaned(reference) != reference else ""


def _csv_records(text: str) -> Iterator[ImportRecord]:
    """CSV, TSV or semicolons, told apart by the header line. The header is read before returning."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t|", key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        names = next((row for row in rows if any(cell.strip() for cell in row)), [])
    except csv.Error:
        names = []
    columns = _columns(names)
    if columns is None:
        raise RowsRefused("no_image_column")
    return _csv_body(rows, names, columns)


def _csv_body(rows: Iterator[list[str]], names: Sequence[str], columns: _Columns) -> Iterator[ImportRecord]:
    while True:
        line = int(getattr(rows, "line_num", 0)) + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as fault:
            yield _refused("field_too_long" if "limit" in str(fault) else "bad_line", line)
            continue
        if any(cell.strip() for cell in row):
            yield _record(dict(zip(names, row, strict=False)), columns, line)


def _jsonl_records(text: str) -> Iterator[ImportRecord]:
    """One JSON object a line; an ``images`` list gives one record per picture."""
    for line, raw in enumerate(text.split("\n"), start=1):
        if not raw.strip():
            continue
        try:
            values = json.loads(raw)
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, dict):
            yield from _object_records(values, line)
        else:
            yield _refused("bad_line", line)


def _object_records(values: dict[str, object], line: int) -> Iterator[ImportRecord]:
    columns = _columns(list(values))
    if columns is None:
        yield _refused("no_reference", line)
        return
    try:
        told = told_in(values)
    except ValueError:
        yield _refused("bad_label", line)
        return
    images = values[columns.image]
    for image in images if isinstance(images, list) and images else [images]:
        record = _record(values | {columns.image: image}, columns, line)
        yield replace(record, told=told) if told else record


def _url_records(text: str) -> Iterator[ImportRecord]:
    """One address a line; empty lines and lines that begin with # are left out."""
    columns = _Columns("url", None, None, None, None)
    for line, raw in enumerate(text.split("\n"), start=1):
        if raw.strip() and not raw.lstrip().startswith("#"):
            yield _record({"url": raw}, columns, line)


_TASK_COLUMNS = _Columns("image", *ABOUT)


def _label_studio_records(text: str) -> Iterator[ImportRecord]:
    """Tasks of a Label Studio export, with what people and models said there."""
    try:
        tasks = read_label_studio(text)
    except UnreadableError as error:
        raise RowsRefused("not_json") from error
    return _task_records(tasks)


def _task_records(tasks: Iterable[ForeignTask]) -> Iterator[ImportRecord]:
    for line, task in enumerate(tasks, start=1):
        if task.error:
            code = next(code for code, words in REASONS.items() if words == task.error)
            yield replace(_refused(code, line), reference=_cleaned(task.image)[:ADDRESS_CHARS])
        else:
            record = _record({"image": task.image, **(task.about or {})}, _TASK_COLUMNS, line)
            yield replace(record, told=task.told)
