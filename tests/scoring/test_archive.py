from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.archive import Archive, ArchiveRefused, open_archive, read_inside, walk_folder
from tests.images import jpeg_bytes


def packed(files: dict[str, bytes], *, level: int | None = None) -> bytes:
    out = io.BytesIO()
    method = zipfile.ZIP_STORED if level is None else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(out, "w", method, compresslevel=level) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def names_of(data: bytes) -> list[str]:
    return [name for name, _ in open_archive(io.BytesIO(data))]


def code_of(data: bytes) -> str:
    with pytest.raises(ArchiveRefused) as refusal:
        open_archive(io.BytesIO(data))
    return refusal.value.code


def test_pictures_come_out_as_they_went_in(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(packed({"a.jpg": jpeg_bytes(1), "sub/b.jpg": jpeg_bytes(2)}, level=6))
    assert [(name, read()) for name, read in open_archive(path)] == [
        ("a.jpg", jpeg_bytes(1)),
        ("sub/b.jpg", jpeg_bytes(2)),
    ]


def test_two_files_of_one_name_are_two_pictures() -> None:
    out = io.BytesIO(packed({"a.jpg": b"first", "b.jpg": b"second"}).replace(b"b.jpg", b"a.jpg"))
    assert [read() for _, read in open_archive(out)] == [b"first", b"second"]


def test_what_computers_leave_about_is_left_out_in_silence() -> None:
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    out = io.BytesIO(
        packed(
            {
                "__MACOSX/._a.jpg": b"x",
                ".DS_Store": b"x",
                "Thumbs.db": b"x",
                "inner.zip": packed({"b.jpg": b"x"}),
                "folder/": b"",
                "a.jpg": b"x",
            }
        )
    )
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert names_of(out.getvalue()) == ["a.jpg"]


def test_hostile_names_are_shown_and_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = packed({"../../evil.jpg": b"1", "/etc/abs.jpg": b"2", "a\u202egpj.exe": b"3"})
    assert [(name, read()) for name, read in open_archive(io.BytesIO(data))] == [
        ("../../evil.jpg", b"1"),
        ("/etc/abs.jpg", b"2"),
        ("agpj.exe", b"3"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_old_chinese_archives_show_their_names() -> None:
    stand_in, name = "0123.jpg", "红裙.jpg".encode("gb18030")
    data = packed({stand_in: b"x"}).replace(stand_in.encode(), name)
    assert names_of(data) == ["红裙.jpg"]


def test_a_bomb_is_refused_by_its_directory() -> None:
    assert code_of(packed({"b.jpg": bytes(20 * 2**20)}, level=9)) == "bad_ratio"


def test_too_many_files_are_refused() -> None:
    assert code_of(packed({f"{number}.jpg": b"" for number in range(10_001)})) == "too_many_entries"


def directory_with(data: bytes, field_at: int, kind: str, value: int) -> bytes:
    """The archive with one number of every central directory header overwritten."""
    changed = bytearray(data)
    at = changed.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into(kind, changed, at + field_at, value)
        at = changed.find(b"PK\x01\x02", at + 4)
    return bytes(changed)


def test_a_declared_total_over_2_gb_is_refused() -> None:
    data = packed({"a.jpg": b"x" * 100, "b.jpg": b"y" * 100})
    assert code_of(directory_with(data, 24, "<L", 2**31 - 1)) == "total_too_large"


def test_files_that_lie_over_one_another_are_refused() -> None:
    data = packed({"a.jpg": b"x" * 100, "b.jpg": b"y" * 100})
    assert code_of(directory_with(data, 42, "<L", 0)) == "overlap"


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", jpeg_bytes()])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    assert code_of(data) == "bad_archive"


def test_a_cut_archive_is_refused() -> None:
    data = packed({"a.jpg": jpeg_bytes()})
    assert code_of(data[: len(data) // 2]) == "bad_archive"


def read_code(data: bytes, **options: int) -> str:
    with Archive(io.BytesIO(data)) as archive, pytest.raises(ArchiveRefused) as refusal:
        archive.read(0, **options)
    return refusal.value.code


def test_one_bad_file_is_refused_by_itself() -> None:
    data = packed({"a.jpg": b"x" * 100})
    assert read_code(data.replace(b"x" * 100, b"z" * 100)) == "bad_entry"
    assert read_code(data, byte_cap=99) == "too_large"
    assert read_code(directory_with(data, 8, "<H", 1)) == "encrypted"
    assert read_code(directory_with(data, 10, "<H", 77)) == "bad_entry"


def test_a_file_is_found_again_by_its_position() -> None:
    with Archive(io.BytesIO(packed({".DS_Store": b"x", "a.jpg": b"one", "b.jpg": b"two"}))) as archive:
        entries = list(archive.entries())
        assert [(entry.position, entry.byte_count) for entry in entries] == [(1, 3), (2, 3)]
        assert [archive.read(entry.position) for entry in entries] == [b"one", b"two"]
        with pytest.raises(ArchiveRefused):
            archive.read(3)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damage_raises_anything_but_a_refusal(data: st.DataObject) -> None:
    archive = bytearray(packed({"a.jpg": b"x" * 200, "b.jpg": bytes(300)}, level=6))
    for _ in range(data.draw(st.integers(1, 6))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    try:
        for _, read in open_archive(io.BytesIO(bytes(archive))):
            assert len(read()) <= 25 * 2**20
    except ArchiveRefused:
        return


def test_a_folder_is_walked_in_order_without_links(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "b").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    for name in ("z.jpg", "b/k.PNG", "a.webp", "note.txt"):
        (root / name).write_bytes(name.encode())
    (root / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "away").symlink_to(tmp_path)
    assert [(name, read()) for name, read in walk_folder(root)] == [
        ("a.webp", b"a.webp"),
        ("z.jpg", b"z.jpg"),
        ("b/k.PNG", b"b/k.PNG"),
    ]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../secret.jpg", "outside_folder"),
        ("/etc/passwd", "outside_folder"),
        ("a/../../secret.jpg", "outside_folder"),
        ("a\x00.jpg", "outside_folder"),
        ("", "outside_folder"),
        ("link.jpg", "not_a_file"),
        ("away/secret.jpg", "not_a_file"),
        ("pipe.jpg", "not_a_file"),
        ("none.jpg", "not_a_file"),
        ("sub", "not_a_file"),
        ("big.jpg", "too_large"),
    ],
)
def test_a_path_cannot_leave_its_folder(tmp_path: Path, path: str, code: str) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (root / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "away").symlink_to(tmp_path)
    (root / "big.jpg").write_bytes(b"x" * 11)
    os.mkfifo(root / "pipe.jpg")
    with pytest.raises(ArchiveRefused) as refusal:
        read_inside(root, path, byte_cap=10)
    assert refusal.value.code == code


def test_a_missing_folder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused) as refusal:
        walk_folder(tmp_path / "none")
    assert refusal.value.code == "no_such_folder"
