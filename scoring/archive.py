"""Pictures out of a zip archive or a folder, without ever trusting a name that came with them.

The central directory is judged before one byte is inflated; names are only shown, never used as paths
(folders are walked step by step with O_NOFOLLOW). Knows nothing of the database.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO

ENTRY_CAP = 10_000
TOTAL_CAP = 2 * 2**30
RATIO_CAP = 100  # no picture deflates better; bombs do
DIRECTORY_CAP = 16 * 2**20
PICTURE_CAP = 25 * 2**20

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".avif"}
)
NESTED_SUFFIXES = frozenset({".zip", ".jar", ".7z", ".rar", ".tar", ".gz", ".bz2", ".xz", ".tgz"})
JUNK_NAMES = frozenset({"thumbs.db", "desktop.ini"})

REASONS: Mapping[str, str] = {
    "bad_archive": "This is not a zip archive, or it is damaged.",
    "too_many_entries": "The archive holds more than 10,000 files.",
    "too_large": "The file is larger than 25 MB.",
    "total_too_large": "The files in the archive are larger than 2 GB together.",
    "bad_ratio": "The archive is packed more tightly than pictures can be.",
    "overlap": "Files in the archive lie over one another.",
    "encrypted": "The file in the archive needs a password.",
    "bad_entry": "The file in the archive is damaged or packed in an unknown way.",
    "no_such_entry": "There is no such file in the archive.",
    "no_such_folder": "There is no such folder.",
    "outside_folder": "The path leads out of the folder.",
    "not_a_file": "There is no such picture file in the folder.",
}

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCAL_HEADER_BYTES = 30
_UTF8_NAME, _ENCRYPTED = 0x800, 0x1
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class ArchiveRefused(Exception):  # noqa: N818 - the word of the domain
    """An archive, or one file of it, cannot be used. ``code`` is a key of REASONS."""

    def __init__(self, code: str) -> None:
        super().__init__(REASONS[code])
        self.code, self.reason = code, REASONS[code]


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """One file in the archive. ``position`` is its place in the central directory, from 0."""

    position: int
    name: str
    byte_count: int


class Archive:
    """A zip whose central directory has been judged. Close it, or use it in a ``with``."""

    def __init__(self, source: str | os.PathLike[str] | IO[bytes]) -> None:
        """Raises ArchiveRefused."""
        self._stream: IO[bytes] = open(source, "rb") if isinstance(source, str | os.PathLike) else source  # noqa: SIM115
        self._ours = self._stream is not source
        try:
            self._zip = _judged(self._stream)
        except ArchiveRefused:
            self.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._ours:
            self._stream.close()

    def entries(self) -> Iterator[ArchiveEntry]:
        """The files worth trying, in the order of the archive.

        Left out in silence: folders, links and devices, archives in the archive, what macOS and
        Windows leave about.
        """
        for position, info in enumerate(self._zip.infolist()):
            if _is_candidate(info):
                yield ArchiveEntry(position, _name_of(info), info.file_size)

    def read(self, position: int, *, byte_cap: int = PICTURE_CAP) -> bytes:
        """Bytes of one file, inflated no further than it declared. Raises ArchiveRefused."""
        infos = self._zip.infolist()
        if not 0 <= position < len(infos):
            raise ArchiveRefused("no_such_entry")
        info = infos[position]
        if info.flag_bits & _ENCRYPTED:
            raise ArchiveRefused("encrypted")
        if info.file_size > byte_cap:
            raise ArchiveRefused("too_large")
        try:
            with self._zip.open(info) as stream:
                return stream.read(info.file_size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as fault:
            raise ArchiveRefused("bad_entry") from fault


def open_archive(
    source: str | os.PathLike[str] | IO[bytes],
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Pairs of a name to show and a reader of its bytes. Raises ArchiveRefused before the first.

    The reader raises ArchiveRefused for a file that is too large, locked or damaged. It works until
    the iterator ends.
    """
    return _opened(Archive(source))


def _opened(archive: Archive) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with archive:
        for entry in archive.entries():
            yield entry.name, lambda position=entry.position: archive.read(position)  # type: ignore[misc]


def _judged(stream: IO[bytes]) -> zipfile.ZipFile:
    """The opened zip, after every cap has been checked. Raises ArchiveRefused."""
    try:
        archive_bytes = stream.seek(0, os.SEEK_END)
        _check_end_record(stream, archive_bytes)
        archive = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, struct.error, OSError, ValueError, NotImplementedError, EOFError) as fault:
        raise ArchiveRefused("bad_archive") from fault
    infos = archive.infolist()
    if len(infos) > ENTRY_CAP:
        raise ArchiveRefused("too_many_entries")
    _check_sizes([info for info in infos if _is_candidate(info)], archive_bytes)
    _check_overlap(infos, archive.start_dir)
    return archive


def _check_end_record(stream: IO[bytes], archive_bytes: int) -> None:
    """Refuse a huge central directory before zipfile reads it into memory."""
    tail_start = max(0, archive_bytes - _END.size - 0xFFFF)
    stream.seek(tail_start)
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0:
        raise ArchiveRefused("bad_archive")
    _, _, _, _, entries, directory_bytes, _, _ = _END.unpack_from(tail, at)
    if entries == 0xFFFF or directory_bytes == 0xFFFFFFFF:
        entries, directory_bytes = _zip64_end(stream, tail_start + at, entries, directory_bytes)
    if entries > ENTRY_CAP:
        raise ArchiveRefused("too_many_entries")
    if directory_bytes > DIRECTORY_CAP:
        raise ArchiveRefused("bad_archive")


def _zip64_end(stream: IO[bytes], end_at: int, entries: int, directory_bytes: int) -> tuple[int, int]:
    """Entry count and directory size of a zip64 archive, else the ones given."""
    stream.seek(max(0, end_at - _END64_LOCATOR.size))
    signature, _, record_at, _ = _END64_LOCATOR.unpack(stream.read(_END64_LOCATOR.size))
    if signature != b"PK\x06\x07":
        return entries, directory_bytes
    stream.seek(min(record_at, end_at))
    record = _END64.unpack(stream.read(_END64.size))
    return int(record[7]), int(record[8])


def _check_sizes(infos: list[zipfile.ZipInfo], archive_bytes: int) -> None:
    total = sum(info.file_size for info in infos)
    if total > TOTAL_CAP:
        raise ArchiveRefused("total_too_large")
    if total > RATIO_CAP * archive_bytes:
        raise ArchiveRefused("bad_ratio")
    for info in infos:
        if info.file_size > RATIO_CAP * max(info.compress_size, 1) and info.file_size > 2**20:
            raise ArchiveRefused("bad_ratio")


def _check_overlap(infos: list[zipfile.ZipInfo], directory_at: int) -> None:
    """Every file must end before the next one, or the central directory, begins."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    starts = [*(info.header_offset for info in ordered[1:]), directory_at]
    for info, next_start in zip(ordered, starts, strict=False):  # an empty archive has no file to end
        if info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size > next_start:
            raise ArchiveRefused("overlap")


def _is_candidate(info: zipfile.ZipInfo) -> bool:
    mode = info.external_attr >> 16
    if not info.filename or info.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
        return False
    path = PurePosixPath(info.filename.replace("\\", "/"))
    junk = path.name.startswith(".") or path.name.lower() in JUNK_NAMES or "__MACOSX" in path.parts
    return not junk and path.suffix.lower() not in NESTED_SUFFIXES


def _name_of(info: zipfile.ZipInfo) -> str:
    """The name to show people: old Chinese archives read rightly, without characters that disguise."""
    name = info.filename
    if not info.flag_bits & _UTF8_NAME:
        raw = name.encode("cp437", "replace")
        for encoding in ("utf-8", "gb18030"):
            try:
                name = raw.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
    return shown_name(name)[-255:]


def shown_name(name: str) -> str:
    """A name without characters that disguise, break lines or cannot be stored; never empty."""
    return _UNSHOWABLE.sub("", name) or "?"


def walk_folder(root: str | os.PathLike[str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Pairs of a path relative to ``root`` and a reader of its bytes, sorted, pictures by suffix only.

    Links are neither followed nor listed. Raises ArchiveRefused at once where ``root`` is no folder.
    """
    real = os.path.realpath(root)
    if not os.path.isdir(real):
        raise ArchiveRefused("no_such_folder")
    return _walked(real)


def _walked(root: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for folder, names, files in os.walk(root, followlinks=False):
        names.sort()
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix.lower() in PICTURE_SUFFIXES and not path.is_symlink():
                relative = path.relative_to(root).as_posix()
                yield relative, lambda relative=relative: read_inside(root, relative)  # type: ignore[misc]


def read_inside(root: str | os.PathLike[str], relative: str, *, byte_cap: int = PICTURE_CAP) -> bytes:
    """Bytes of a plain file under ``root``, each step opened without following links.

    Raises ArchiveRefused: outside_folder, not_a_file, too_large.
    """
    steps = PurePosixPath(relative).parts
    if not steps or ".." in steps or PurePosixPath(relative).is_absolute() or "\x00" in relative:
        raise ArchiveRefused("outside_folder")
    held = [-1]
    try:
        held[0] = os.open(os.path.realpath(root), os.O_RDONLY | os.O_DIRECTORY)
        for step in steps[:-1]:
            held.append(os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=held[-1]))
        held.append(os.open(steps[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=held[-1]))
        return _read_plain(held[-1], byte_cap)
    except OSError as fault:
        raise ArchiveRefused("not_a_file") from fault
    finally:
        for descriptor in held:
            if descriptor >= 0:
                os.close(descriptor)


def _read_plain(descriptor: int, byte_cap: int) -> bytes:
    """Bytes of an open plain file; a pipe or a device is refused before it can block."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise ArchiveRefused("not_a_file")
    if found.st_size > byte_cap:
        raise ArchiveRefused("too_large")
    with open(descriptor, "rb", closefd=False) as stream:
        data = stream.read(byte_cap + 1)
    if len(data) > byte_cap:
        raise ArchiveRefused("too_large")
    return data
