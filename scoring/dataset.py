"""Station 7, the machine's half: labelled rows are stored for good under a digest.

The database refuses to change a version; export.py writes it out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from itertools import pairwise

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from scoring.access import require_reached
from scoring.core.splits import HOLDOUT, split_of, teaching_split
from scoring.errors import BadInputError, ConflictError
from scoring.events import event_note
from scoring.models import DatasetRow, DatasetVersion

BATCH = 2000


@dataclass(frozen=True, slots=True)
class FrozenRow:
    """One label handed down by the people's room. Scores 0-100; ``weight`` is 1 / variance.

    ``votes`` are the ids of the votes it was made of, so that a version can be traced to people's answers.
    """

    image_id: int
    group: str
    category: str
    target_score: float
    target_std: float
    weight: float
    vote_count: int
    histogram: tuple[int, ...] = ()
    dimensions: Mapping[str, float] = field(default_factory=dict)
    defects: Mapping[str, float] = field(default_factory=dict)
    is_holdout: bool | None = None  # None: nobody has drawn, the group's hash decides
    votes: tuple[int, ...] = ()


def digest_of(rows: Sequence[FrozenRow], *, split_seed: int) -> str:
    """SHA-256 of the rows in image order and of the split seed: the same content, the same name."""
    body = hashlib.sha256(f"seed {split_seed}\n".encode())
    for row in sorted(rows, key=lambda row: row.image_id):
        body.update(json.dumps(_content(row), sort_keys=True, ensure_ascii=True).encode() + b"\n")
    return body.hexdigest()


def _content(row: FrozenRow) -> dict[str, object]:
    """What a digest is made of; labels without known votes keep the digest of old."""
    told = asdict(row)
    if not row.votes:
        del told["votes"]
    return told


def dataset_store(
    *, name: str, rows: Sequence[FrozenRow], split_seed: int, note: str, created_by: User | None
) -> DatasetVersion:
    """Store rows as an immutable version; the same content gives the version that already holds it."""
    require_reached(created_by, "admin")
    if not rows:
        raise BadInputError("There is no approved label to freeze yet.", code="no_labels")
    digest = digest_of(rows, split_seed=split_seed)
    known = DatasetVersion.objects.filter(digest=digest).first()
    if known is not None:
        return known
    try:
        return _store(name, rows, digest, split_seed, note, created_by)
    except IntegrityError as error:  # a twin was first, or the name is taken
        twin = DatasetVersion.objects.filter(digest=digest).first()
        if twin is None:
            raise ConflictError(
                _("There is a dataset version called {name} already.").format(name=name), code="name_taken"
            ) from error
        return twin


@transaction.atomic
def _store(
    name: str,
    rows: Sequence[FrozenRow],
    digest: str,
    split_seed: int,
    note: str,
    created_by: User | None,
) -> DatasetVersion:
    dataset = DatasetVersion.objects.create(
        name=name,
        digest=digest,
        row_count=len(rows),
        split_seed=split_seed,
        note=note[:500],
        created_by=created_by,
    )
    DatasetRow.objects.bulk_create((_row(dataset, row) for row in rows), batch_size=BATCH)
    event_note(
        actor=created_by,
        verb="dataset.freeze",
        target=dataset,
        after={"rows": len(rows), "digest": digest},
    )
    return dataset


def _row(dataset: DatasetVersion, row: FrozenRow) -> DatasetRow:
    return DatasetRow(
        dataset=dataset,
        image_id=row.image_id,
        group=row.group,
        category=row.category,
        split=_split(row, seed=dataset.split_seed),
        target_score=row.target_score,
        target_std=row.target_std,
        weight=row.weight,
        vote_count=row.vote_count,
        histogram=list(row.histogram),
        dimensions=dict(row.dimensions),
        defects=dict(row.defects),
        votes=list(row.votes),
    )


def _split(row: FrozenRow, *, seed: int) -> str:
    if row.is_holdout is None:
        return split_of(row.group, seed=seed)
    return HOLDOUT if row.is_holdout else teaching_split(row.group, seed=seed)


def split_counts(dataset: DatasetVersion) -> dict[str, int]:
    """Rows by split."""
    return splits_of([dataset])[dataset.pk]


def splits_of(datasets: Sequence[DatasetVersion]) -> dict[int, dict[str, int]]:
    """Rows by split of several versions in one query, by id of the version."""
    counts = {dataset.pk: dict.fromkeys(DatasetRow.Split.values, 0) for dataset in datasets}
    rows = DatasetRow.objects.filter(dataset__in=datasets).order_by().values("dataset_id", "split")
    for row in rows.annotate(rows=Count("id")):
        counts[row["dataset_id"]][row["split"]] = row["rows"]
    return counts


@dataclass(frozen=True, slots=True)
class DatasetDiff:
    """What changed between two versions, as counts of images."""

    added: int
    removed: int
    changed: int
    kept: int


def dataset_diff(*, old: DatasetVersion, new: DatasetVersion) -> DatasetDiff:
    """Images added, removed, with another label, and unchanged."""
    before = dict(DatasetRow.objects.filter(dataset=old).values_list("image_id", "target_score"))
    after = dict(DatasetRow.objects.filter(dataset=new).values_list("image_id", "target_score"))
    shared = before.keys() & after.keys()
    changed = sum(1 for pk in shared if abs(before[pk] - after[pk]) > 1e-9)
    return DatasetDiff(
        added=len(after.keys() - before.keys()),
        removed=len(before.keys() - after.keys()),
        changed=changed,
        kept=len(shared) - changed,
    )


def diffs_of(datasets: Sequence[DatasetVersion]) -> dict[int, DatasetDiff]:
    """What changed from each version to the one after it, in a list newest first, by id of the newer.

    Versions never change, so a difference is worked out once and kept in the cache.
    """
    found = {}
    for new, old in pairwise(datasets):
        key = f"dataset-diff:{old.digest[:32]}:{new.digest[:32]}"
        diff = cache.get(key)
        if not isinstance(diff, list):
            diff = list(astuple(dataset_diff(old=old, new=new)))
            cache.set(key, diff, timeout=None)
        found[new.pk] = DatasetDiff(*diff)
    return found
