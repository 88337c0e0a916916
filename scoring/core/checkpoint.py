"""Weights on disk: safetensors by digest, whole or not at all. The one core file that touches a disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save


class WeightsError(ValueError):
    """A weights file is missing, damaged, or not the one its digest names."""


Tensors = Mapping[str, npt.NDArray[Any]]


def write_tensors(folder: Path, tensors: Tensors, meta: Mapping[str, Any]) -> str:
    """Write ``<digest>.safetensors`` and its JSON sidecar into ``folder``; returns the SHA-256 digest.

    Written to a temporary file, fsynced, renamed: a killed writer leaves nothing half made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    body = save({name: np.ascontiguousarray(value) for name, value in tensors.items()})
    digest = hashlib.sha256(body).hexdigest()
    write_whole(folder / f"{digest}.json", json.dumps(dict(meta), indent=1, sort_keys=True).encode())
    write_whole(folder / f"{digest}.safetensors", body)
    return digest


def read_tensors(folder: Path, digest: str) -> dict[str, npt.NDArray[Any]]:
    """Tensors of the file with this digest; WeightsError when it is not there or not itself."""
    return read_tensor_file(folder / f"{digest}.safetensors", digest)


def read_tensor_file(path: Path, digest: str | None = None) -> dict[str, npt.NDArray[Any]]:
    """Tensors of one file, checked against ``digest`` where given."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"There are no weights {path.name}") from error
    if digest is not None and hashlib.sha256(body).hexdigest() != digest:
        raise WeightsError(f"{path.name} is not the file its digest names")
    try:
        return dict(load(body))
    except Exception as error:  # safetensors raises its own class per fault
        raise WeightsError(f"{path.name} is damaged") from error


def write_whole(path: Path, body: bytes) -> None:
    """Write a file so that a kill leaves the old one or the new one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    with draft.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
