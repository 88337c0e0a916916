"""What is written can be read back, by us and by the tools it is written for."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

from scoring.core.croissant import croissant
from scoring.core.exports import (
    ROW_COLUMNS,
    ExportRow,
    safe_cell,
    write_coco,
    write_csv,
    write_json_lines,
    write_label_studio,
)
from scoring.core.foreign import OWN_LABEL, read_label_studio

ROW = ExportRow(
    image_id=7,
    digest="d" * 64,
    file_name="pictures/dd/7.jpg",
    width=40,
    height=30,
    product_id="=SUM(A1)",
    title="Kettle 水壶",
    category="kitchen",
    seller="Lin",
    split="train",
    target_score=76.0,
    target_std=4.0,
    weight=0.0625,
    vote_count=3,
    histogram=(0, 0, 1, 0, 2),
    dimensions={"sharpness": 50.0},
    defects={"noise": 1.0, "border": 0.0},
)


def test_a_csv_row_carries_votes_dimensions_and_defects_and_no_formula() -> None:
    out = io.StringIO()
    assert write_csv([ROW], out) == 1
    header, cells = list(csv.reader(io.StringIO(out.getvalue())))
    record = dict(zip(header, cells, strict=True))
    assert tuple(header) == ROW_COLUMNS
    assert record["product_id"] == "'=SUM(A1)"
    assert (record["votes_3"], record["votes_5"]) == ("1", "2")
    assert (record["sharpness"], record["colour"], record["noise"]) == ("50.0", "", "1.0")


def test_numbers_below_zero_are_not_mistaken_for_formulas() -> None:
    assert safe_cell(-3.5) == -3.5
    assert safe_cell("-3.5") == "'-3.5"


def test_json_lines_leave_out_what_is_unknown() -> None:
    out = io.StringIO()
    write_json_lines([ROW], out)
    record = json.loads(out.getvalue())
    assert "colour" not in record
    assert record["title"] == "Kettle 水壶"


def test_a_label_of_ours_comes_back_from_label_studio_as_a_vote_only_where_somebody_changed_it() -> None:
    out = io.StringIO()
    assert write_label_studio([ROW, replace(ROW, target_score=0.0), ROW], out) == 3
    sent = json.loads(out.getvalue())
    sent[1]["annotations"][0]["result"][0]["value"]["rating"] = 2
    sent[2]["annotations"].append(
        {"completed_by": 7, "result": [{"type": "rating", "value": {"rating": 5}, "id": "x1"}]}
    )
    kept, changed, beside = read_label_studio(json.dumps(sent))
    assert (kept.told, kept.error) == ((), OWN_LABEL)
    assert [(one.who, one.score) for one in changed.told] == [("unknown", 25.0)]
    assert [(one.who, one.score) for one in beside.told] == [("7", 100.0)]
    assert changed.about == {
        "product_id": "=SUM(A1)",
        "title": "Kettle 水壶",
        "category": "kitchen",
        "seller": "Lin",
    }


def test_coco_lists_confirmed_defects_only_with_ids_of_their_own() -> None:
    out = io.StringIO()
    write_coco(iter([ROW, replace(ROW, image_id=8)]), out, name="v1", spool=io.StringIO())
    body = json.loads(out.getvalue())
    names = {category["id"]: category["name"] for category in body["categories"]}
    assert [names[a["category_id"]] for a in body["annotations"]] == ["noise", "noise"]
    assert [a["id"] for a in body["annotations"]] == [1, 2]
    assert {a["image_id"] for a in body["annotations"]} <= {image["id"] for image in body["images"]}


def test_croissant_names_every_column_with_its_type_and_the_files_digest() -> None:
    meta = croissant(
        name="v1",
        description="d",
        digest="0" * 64,
        csv_name="rows.csv",
        url="https://shop.example",
        published="2026-01-31",
    )
    fields = {field["name"]: field["dataType"] for field in meta["recordSet"][0]["field"]}
    assert tuple(fields) == ROW_COLUMNS
    assert fields["target_score"] == "sc:Float"
    assert fields["votes_1"] == "sc:Integer"
    assert meta["distribution"][0]["sha256"] == "0" * 64
