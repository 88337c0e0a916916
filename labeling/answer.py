"""What a person may say of a picture, before anybody asks whether it is theirs to say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext as _

from scoring.core.types import ACR_HIGH, ACR_LOW, Defect, Dimension
from scoring.errors import BadInputError

LONGEST_NOTE = 1000
NOTHING: Mapping[str, Any] = MappingProxyType({})
DIMENSIONS, DEFECTS = frozenset(Dimension), frozenset(Defect)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person sent for one slot, checked for shape; ``digest`` names it."""

    assignment_id: int
    rating: int | None
    accept: bool
    dimensions: Mapping[str, int]
    defects: Mapping[str, bool]
    is_flagged: bool
    note: str
    supersedes_id: int | None

    def __post_init__(self) -> None:
        if self.accept and self.rating is not None:
            raise BadInputError(_("Accept the score or give your own, not both."), code="two_answers")
        if not self.accept and self.rating is None:
            raise BadInputError(_("An empty answer cannot be sent: rate from 1 to 5."), code="empty")
        if self.rating is not None:
            require_grade(self.rating)
        for name, grade in self.dimensions.items():
            if name not in DIMENSIONS:
                raise BadInputError(_("There is no dimension called {name}.").format(name=str(name)[:50]))
            require_grade(grade)
        for name, there in self.defects.items():
            if name not in DEFECTS or not isinstance(there, bool):
                raise BadInputError(_("There is no defect called {name}.").format(name=str(name)[:50]))
        require_text(self.note, most=LONGEST_NOTE)

    @classmethod
    def of(
        cls,
        assignment_id: int,
        *,
        rating: int | None = None,
        accept: bool = False,
        dimensions: Mapping[str, int] = NOTHING,
        defects: Mapping[str, bool] = NOTHING,
        is_flagged: bool = False,
        note: str = "",
        supersedes_id: int | None = None,
    ) -> Answer:
        """An answer with the parts that were sent."""
        return cls(
            assignment_id,
            rating,
            accept,
            dict(dimensions),
            dict(defects),
            is_flagged,
            note.strip(),
            supersedes_id,
        )

    @property
    def digest(self) -> str:
        """SHA-256 of what was said, in a fixed order."""
        said = {name: getattr(self, name) for name in self.__slots__}
        said |= {"dimensions": dict(self.dimensions), "defects": dict(self.defects)}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def require_grade(value: object) -> None:
    """Refuse what is no vote on the ACR scale."""
    if isinstance(value, bool) or not isinstance(value, int) or not ACR_LOW <= value <= ACR_HIGH:
        raise BadInputError(_("A rating is a whole number from 1 to 5."), code="bad_rating")


def require_text(text: str, *, most: int) -> None:
    """Refuse text that is too long, or that no database can keep (NUL, half of a character)."""
    if len(text) > most:
        raise BadInputError(_("This text is too long: at most {most} characters.").format(most=most))
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadInputError(_("This text holds characters that cannot be stored."))
