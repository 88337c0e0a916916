"""What the shipped model is fitted on: scored photos, photos less and more harmed, and untouched ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.core.types import Defect, FloatArray

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rows (N,) of raw network vectors (N, R) and measures (N, M).

    ``source``: index of the untouched row a degraded one came from, -1 for untouched. ``fault`` and
    ``severity`` of degraded rows. ``people``: human score 0-100 of photos in the wild, NaN elsewhere.
    ``is_shop``: photos of a shop, which hardly any fault may be seen in. ``group``: where it comes from and
    who took it, as folder/who. ``told`` (N, 16): 1 where somebody saw the fault in an untouched photo, -1
    where somebody looked and did not, 0 where nobody looked.
    """

    raw: FloatArray
    measures: FloatArray
    source: npt.NDArray[np.int64]
    fault: Sequence[Defect | None]
    severity: Array
    people: Array
    is_shop: npt.NDArray[np.bool_]
    group: Sequence[str]
    told: npt.NDArray[np.int8]

    def without(self, rows: npt.NDArray[np.int64]) -> Evidence:
        """All but these rows, which must be nobody's source."""
        kept = np.setdiff1d(np.arange(len(self.source)), rows)
        place = np.full(len(self.source) + 1, -1)  # the last: where -1 points
        place[kept] = np.arange(len(kept))
        return Evidence(
            raw=self.raw[kept],
            measures=self.measures[kept],
            source=place[self.source[kept]],
            fault=[self.fault[row] for row in kept],
            severity=self.severity[kept],
            people=self.people[kept],
            is_shop=self.is_shop[kept],
            group=[self.group[row] for row in kept],
            told=self.told[kept],
        )

    @property
    def home(self) -> npt.NDArray[np.str_]:
        """Where each row comes from: the first word of its group."""
        return np.array([group.split("/", 1)[0] for group in self.group])

    @property
    def untouched(self) -> npt.NDArray[np.bool_]:
        return self.source < 0

    @property
    def fair(self) -> npt.NDArray[np.bool_]:
        """Untouched product photos: not many of them should be accused."""
        return self.untouched & ~np.isfinite(self.people)

    @property
    def shop(self) -> npt.NDArray[np.bool_]:
        """Untouched photos of shops: hardly any of them should be accused."""
        return self.fair & self.is_shop
