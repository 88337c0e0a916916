"""Pictures by digest: on the local disk written whole or not at all, elsewhere through Django's storage."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast
from uuid import uuid4

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, default_storage

from scoring.errors import NotThereError
from scoring.models import Image

CHUNK_BYTES = 256 * 1024


def picture_write(image: Image, *, stored: bytes, thumbnail: bytes) -> None:
    """Keep both forms of a picture. Writing the same digest twice changes nothing."""
    _write(image.stored_name, stored)
    _write(image.thumbnail_name, thumbnail)


def picture_bytes(image: Image) -> bytes:
    """The re-encoded picture; NotThereError when the file is gone."""
    return _read(image.stored_name)


def thumbnail_bytes(image: Image) -> bytes:
    """The thumbnail (WEBP); NotThereError when the file is gone."""
    return _read(image.thumbnail_name)


def picture_file(image: Image) -> File[bytes]:
    """The re-encoded picture, open for reading piece by piece; NotThereError when it is gone."""
    return _open(image.stored_name)


def thumbnail_file(image: Image) -> File[bytes]:
    """The thumbnail, open for reading; NotThereError when it is gone."""
    return _open(image.thumbnail_name)


def file_write(name: str, data: bytes) -> None:
    """Keep any other file of ours (spooled uploads, heatmaps) under ``name``."""
    _write(name, data)


def file_take(name: str, stream: IO[bytes], *, byte_cap: int) -> int | None:
    """Keep what a stream holds under ``name``, chunk by chunk, in place of what was there.

    Returns its bytes; None, with nothing kept, where there are more than ``byte_cap``.
    """
    storage = _storage()
    if isinstance(storage, FileSystemStorage):
        return _take_whole(Path(storage.path(name)), stream, byte_cap)
    with tempfile.TemporaryFile() as draft:
        taken = _copy(stream, draft, byte_cap)
        if taken is not None:
            draft.seek(0)
            storage.delete(name)
            storage.save(name, File(draft))
    return taken


def file_open(name: str) -> IO[bytes]:
    """A file kept by ``file_write`` or ``file_take``, open for reading; NotThereError when it is gone."""
    return cast("IO[bytes]", _open(name))


def file_bytes(name: str) -> bytes:
    """Content of a file kept by ``file_write``; NotThereError when it is gone."""
    return _read(name)


def file_drop(name: str) -> None:
    """Forget a file; one that is gone already is no error."""
    default_storage.delete(name)


def folder_drop(name: str) -> None:
    """Forget every file in a folder of ours, half written ones too, and the folder."""
    storage = _storage()
    try:
        _folders, files = storage.listdir(name)
    except FileNotFoundError:
        return
    for file in files:
        storage.delete(f"{name}/{file}")
    if isinstance(storage, FileSystemStorage):
        storage.delete(name)


@contextmanager
def file_draft(name: str) -> Iterator[IO[bytes]]:
    """A file to write to; it takes its name when the block ends well and is forgotten otherwise."""
    storage = _storage()
    if not isinstance(storage, FileSystemStorage):
        with tempfile.TemporaryFile() as remote:
            yield remote
            remote.seek(0)
            storage.save(name, File(remote))
        return
    path = Path(storage.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _write(name: str, data: bytes) -> None:
    storage = _storage()
    if storage.exists(name):
        return
    if isinstance(storage, FileSystemStorage):
        _write_whole(Path(storage.path(name)), data)
    else:
        storage.save(name, ContentFile(data))


def _write_whole(path: Path, data: bytes) -> None:
    """Temporary file, fsync, rename: a killed worker leaves no half picture under a good name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{uuid4().hex}.part")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _take_whole(path: Path, stream: IO[bytes], byte_cap: int) -> int | None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        with draft.open("wb") as file:
            taken = _copy(stream, file, byte_cap)
            file.flush()
            os.fsync(file.fileno())
        if taken is not None:
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return taken


def _copy(stream: IO[bytes], out: IO[bytes], byte_cap: int) -> int | None:
    taken = 0
    while chunk := stream.read(CHUNK_BYTES):
        taken += len(chunk)
        if taken > byte_cap:
            return None
        out.write(chunk)
    return taken


def _read(name: str) -> bytes:
    with _open(name) as file:
        return bytes(file.read())


def _open(name: str) -> File[bytes]:
    try:
        return _storage().open(name, "rb")
    except FileNotFoundError as error:
        raise NotThereError("The file is missing from the storage.", code="file_missing") from error


def _storage() -> Storage:
    return default_storage
