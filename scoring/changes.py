"""What lies between two dataset versions, picture by picture."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from scoring.models import DatasetVersion, Image

# Larger changes first; what came or went stands before what changed.
CHANGES = """
SELECT COALESCE(n.image_id, o.image_id), o.target_score, n.target_score, o.split, n.split
FROM (SELECT image_id, target_score, split FROM scoring_datasetrow WHERE dataset_id = %(new)s) n
FULL JOIN (SELECT image_id, target_score, split FROM scoring_datasetrow WHERE dataset_id = %(old)s) o
  USING (image_id)
WHERE o.target_score IS DISTINCT FROM n.target_score
ORDER BY abs(n.target_score - o.target_score) DESC NULLS FIRST, 1
LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One picture that two versions tell apart; scores 0-100, None where a version has not got it."""

    image: Image
    old_score: float | None
    new_score: float | None
    split: str

    @property
    def kind(self) -> str:
        """added, removed or changed."""
        if self.old_score is None:
            return "added"
        return "removed" if self.new_score is None else "changed"


def dataset_changes(*, old: DatasetVersion, new: DatasetVersion, limit: int) -> list[Change]:
    """Pictures that came, went or got another label, at most ``limit``, in two queries."""
    with connection.cursor() as cursor:
        cursor.execute(CHANGES, {"old": old.pk, "new": new.pk, "limit": limit})
        rows = cursor.fetchall()
    images = Image.objects.select_related("product").in_bulk([row[0] for row in rows])
    return [Change(images[pk], before, after, split or gone) for pk, before, after, gone, split in rows]
