"""A model as files alone: what scores pictures where no database is at hand. Knows nothing of Django."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from scoring import device
from scoring.core.checkpoint import read_tensors
from scoring.core.head import Head, head_from_tensors


@dataclass(frozen=True, slots=True)
class KeptModel:
    """Where a model's weights lie: ``encoder``, and in ``folder`` the head of this ``digest``. Without a
    folder the head is the one that ships with the encoder. ``name`` is what people know it by."""

    name: str
    encoder: Path
    folder: Path | None = None
    digest: str = ""

    def head(self) -> Head:
        """Its head, kept in memory; WeightsError when the file is damaged or missing."""
        if self.folder is None:
            return device.base_head(self.encoder)
        return kept_head(self.folder, self.digest, device.feature_version(self.encoder))


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model of a house, and the SHA-256 of the pictures that ``taught`` it or set its intervals."""

    model: KeptModel
    taught: frozenset[str] = frozenset()

    def as_json(self) -> str:
        """One line for another process."""
        model = self.model
        folder = str(model.folder) if model.folder else ""
        told = {"name": model.name, "encoder": str(model.encoder), "folder": folder, "digest": model.digest}
        return json.dumps(told | {"taught": sorted(self.taught)})

    @staticmethod
    def from_json(line: str) -> Chosen:
        """What another process said by ``as_json``."""
        told = json.loads(line)
        folder = Path(told["folder"]) if told["folder"] else None
        model = KeptModel(told["name"], Path(told["encoder"]), folder, told["digest"])
        return Chosen(model, frozenset(told["taught"]))


def base_kept() -> KeptModel:
    """The weights that ship, or those VITRINE_WEIGHTS names."""
    own = device.BASE_WEIGHTS == device.SHIPPED
    return KeptModel("the shipped model" if own else str(device.BASE_WEIGHTS), device.BASE_WEIGHTS)


@lru_cache(maxsize=8)
def kept_head(folder: Path, digest: str, feature_version: str) -> Head:
    """The head in the weights of this digest, with an encoder beside it or without."""
    tensors = {
        name.removeprefix(device.HEAD_PREFIX): value
        for name, value in read_tensors(folder, digest).items()
        if not name.startswith(device.ENCODER_PREFIX)
    }
    return head_from_tensors(tensors, feature_version=feature_version)
