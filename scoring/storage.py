"""Pictures by digest: on the local disk written whole or not at all, elsewhere through Django's storage."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, default_storage

from scoring.errors import NotThereError
from scoring.models import Image


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


def picture_file(image: Image) -> File:
    """The re-encoded picture, open for reading piece by piece; NotThereError when it is gone."""
    return _open(image.stored_name)


def thumbnail_file(image: Image) -> File:
    """The thumbnail, open for reading; NotThereError when it is gone."""
    return _open(image.thumbnail_name)


def file_write(name: str, data: bytes) -> None:
    """Keep any other file of ours (spooled uploads, heatmaps) under ``name``."""
    _write(name, data)


def file_bytes(name: str) -> bytes:
    """Content of a file kept by ``file_write``; NotThereError when it is gone."""
    return _read(name)


def file_drop(name: str) -> None:
    """Forget a file; one that is gone already is no error."""
    default_storage.delete(name)


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


def _read(name: str) -> bytes:
    with _open(name) as file:
        return bytes(file.read())


def _open(name: str) -> File:
    try:
        return _storage().open(name, "rb")
    except FileNotFoundError as error:
        raise NotThereError("The picture's file is missing from the storage.", code="file_missing") from error


def _storage() -> Storage:
    return default_storage
