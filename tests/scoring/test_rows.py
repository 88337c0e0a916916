from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.rows import REASONS, ImportRecord, RowsRefused, parse_rows


def rows(text: str | bytes, kind: str = "csv") -> list[ImportRecord]:
    return list(parse_rows(text.encode() if isinstance(text, str) else text, kind))


def test_a_plain_table_gives_one_record_per_row() -> None:
    found = rows("product_id,image,title,category,seller\n7,a.jpg,Shoe,Shoes,Ann\n8,b.jpg,Hat,Hats,Ben\n")
    assert found == [
        ImportRecord(1, "7", "Shoe", "Shoes", "Ann", "a.jpg", line=2),
        ImportRecord(2, "8", "Hat", "Hats", "Ben", "b.jpg", line=3),
    ]


@pytest.mark.parametrize(
    "header",
    [
        "SKU,Image Src,Product Name,Product Type,Vendor",
        "item-id;Main_Image;name;department;brand",
        "Asin\timgUrl\titem_name\tproduct_type\tshop",
        "商品编号,主图链接,商品标题,类目,店铺",
        "货号|图片|名称|分类|品牌",
    ],
)
def test_headers_are_read_in_many_words_and_separators(header: str) -> None:
    separator = next(mark for mark in ",;\t|" if mark in header)
    (found,) = rows(header + "\n" + separator.join(["7", "a.jpg", "Shoe", "Shoes", "Ann"]))
    assert (found.product_id, found.reference, found.title) == ("7", "a.jpg", "Shoe")
    assert (found.category, found.seller, found.error) == ("Shoes", "Ann", None)


def test_the_picture_s_column_wins_over_the_page_s() -> None:
    (found,) = rows("url,image_url\nhttps://shop/page,https://shop/a.jpg\n")
    assert found.reference == "https://shop/a.jpg"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_chinese_text_survives_its_encoding(encoding: str) -> None:
    (found,) = rows("图片,标题\na.jpg,红色连衣裙\n".encode(encoding))
    assert (found.reference, found.title) == ("a.jpg", "红色连衣裙")


def test_accents_of_latin_1_do_not_turn_chinese() -> None:
    (found,) = rows("image,title\na.jpg,Théière émaillée à rayures\n".encode("latin-1"))
    assert found.title == "Théière émaillée à rayures"


def test_a_table_without_a_column_of_pictures_is_refused_before_the_first_row() -> None:
    with pytest.raises(RowsRefused) as refusal:
        parse_rows(b"title,price\nShoe,9\n", "csv")
    assert (refusal.value.code, refusal.value.reason) == ("no_image_column", REASONS["no_image_column"])


@pytest.mark.parametrize(("text", "kind", "code"), [(b" \n", "csv", "no_rows"), (b"x", "x", "unknown_kind")])
def test_a_table_that_is_none_is_refused(text: bytes, kind: str, code: str) -> None:
    with pytest.raises(RowsRefused) as refusal:
        parse_rows(text, kind)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (",Shoe", "no_reference"),
        ("https://a/\x00.jpg,Shoe", "bad_reference"),
        ('"https://a/\nb.jpg",Shoe', "bad_reference"),
        ("https://a/" + "x" * 2000 + ",Shoe", "field_too_long"),
        ('"' + "x" * 200_000 + '",Shoe', "field_too_long"),
    ],
)
def test_a_bad_row_says_why_and_the_next_one_is_still_read(row: str, code: str) -> None:
    found = rows(f"image,title\n{row}\ngood.jpg,Hat\n")
    assert (found[0].code, found[0].error, found[0].position) == (code, REASONS[code], 1)
    assert (found[-1].reference, found[-1].error) == ("good.jpg", None)


def test_a_long_title_is_cut_but_a_long_product_id_is_refused() -> None:
    long_title, long_id = rows(f"image,title,sku\na.jpg,{'t' * 900},1\nb.jpg,t,{'1' * 300}\n")
    assert (len(long_title.title), long_title.error) == (500, None)
    assert long_id.code == "field_too_long"


def test_what_a_spreadsheet_would_run_is_kept_as_text() -> None:
    (found,) = rows("url,title\nhttps://a/b.jpg,=1+1\n")
    assert found.title == "=1+1"


def test_rows_beyond_the_cap_are_left_out_with_a_word() -> None:
    found = list(parse_rows(b"url\n" + b"a.jpg\n" * 10, "csv", row_cap=3))
    assert [record.code for record in found] == ["", "", "", "too_many_rows"]


def test_json_lines_take_lists_of_pictures_and_name_bad_lines() -> None:
    lines = [
        json.dumps({"sku": 7, "images": ["a.jpg", "b.jpg"], "title": "鞋"}),
        "{broken",
        "[1, 2]",
        json.dumps({"title": "no picture"}),
        "[" * 100_000,
        json.dumps({"image": "\ud800.jpg"}),
    ]
    found = rows("\n".join(lines), "jsonl")
    assert [record.reference for record in found[:2]] == ["a.jpg", "b.jpg"]
    assert [record.product_id for record in found[:2]] == ["7", "7"]
    assert [record.code for record in found[2:]] == [
        "bad_line",
        "bad_line",
        "no_reference",
        "bad_line",
        "bad_reference",
    ]
    assert [record.line for record in found[2:]] == [2, 3, 4, 5, 6]


def test_a_list_of_addresses_skips_notes_and_empty_lines() -> None:
    found = rows("# my pictures\nhttps://a/1.jpg\r\n\n  https://a/2.jpg  \n", "urls")
    assert [record.reference for record in found] == ["https://a/1.jpg", "https://a/2.jpg"]


def test_text_and_byte_streams_are_read_alike() -> None:
    assert list(parse_rows(io.StringIO("\ufeffurl\na.jpg"), "csv")) == list(
        parse_rows(io.BytesIO(b"url\na.jpg"), "csv")
    )


@given(st.binary(max_size=300), st.sampled_from(["csv", "jsonl", "urls"]))
def test_no_bytes_raise_anything_but_a_refusal(data: bytes, kind: str) -> None:
    try:
        found = rows(b"url,title\n" + data if kind == "csv" else data, kind)
    except RowsRefused:
        return
    for record in found:
        assert record.error or record.reference
        assert "\x00" not in record.reference + record.title + record.product_id
        (record.reference + record.title).encode()
