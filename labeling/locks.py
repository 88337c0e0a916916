"""Every row lock of the people's room. The item comes first, always: whoever changes its votes, slots,
flags or decisions holds it. Call inside a transaction; several items are taken in order of pk.

The one exception is the lease statement (lease.py), which takes free slots with SKIP LOCKED and waits
for nobody; writes to a slot are therefore conditional UPDATEs. A first vote (first_vote.py) takes the item's
lock, writes and lets go in one statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from psycopg.types.numeric import Int8

from labeling.core.consensus import Prior
from labeling.models import Assignment, ExportJob, Item, Membership, Panel, Probe, Project
from labeling.prepared import columns_of, parts_of, rows_of
from scoring.errors import NotThereError

SLOT = f"""
SELECT {columns_of(Assignment, "a")}, {columns_of(Item, "i")}, {columns_of(Project, "p")}
FROM labeling_assignment a
JOIN labeling_item i ON i.id = a.item_id
JOIN labeling_project p ON p.id = i.project_id
WHERE a.id = %(slot)s
FOR NO KEY UPDATE OF i
"""  # noqa: S608  (names of our own columns)


def item_lock(item_id: int) -> Item:
    """One item with its project, the item locked."""
    item = (
        Item.objects.select_for_update(of=("self",), no_key=True)
        .select_related("project")
        .filter(pk=item_id)
        .first()
    )
    if item is None:
        raise NotThereError(_("There is no such item."))
    return item


def due_item_lock(*, but: Collection[int]) -> Item | None:
    """One item whose label does not know its newest votes and that nobody else holds, with its project."""
    return (
        Item.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
        .select_related("project")
        .filter(is_due=True)
        .exclude(pk__in=but)
        .order_by("pk")
        .first()
    )


def slot_lock(assignment_id: int) -> Assignment:
    """One slot with its item and project, the item locked; what it says of the slot itself may be stale.

    Run for every vote, so a prepared statement.
    """
    rows = rows_of(SLOT, {"slot": Int8(assignment_id)})
    if not rows:
        raise NotThereError(_("There is no such image for you."))
    slot, item, project = parts_of(rows[0], Assignment, Item, Project)
    item.project, slot.item = project, item
    found: Assignment = slot
    return found


def probe_lock(probe_id: int, user: User) -> Probe:
    """A probe of the person's with its project, the probe locked."""
    mine = Probe.objects.select_for_update(of=("self",), no_key=True).select_related("project")
    found = mine.filter(pk=probe_id, user_id=user.pk).first()
    if found is None:
        raise NotThereError(_("There is no such image for you."))
    return found


def items_lock(item_ids: Iterable[int]) -> list[Item]:
    """Several items with their projects, locked in order of pk."""
    return list(
        Item.objects.select_for_update(of=("self",), no_key=True)
        .select_related("project")
        .filter(pk__in=list(item_ids))
        .order_by("pk")
    )


def project_lock(project: Project) -> None:
    """The row of a project: pictures join it one batch at a time."""
    Project.objects.select_for_update(of=("self",), no_key=True).get(pk=project.pk)


def members_lock(project: Project) -> list[Membership]:
    """Every membership of a project, locked in order of pk: who may do what is changed one at a time."""
    return list(Membership.objects.select_for_update().filter(project=project).order_by("pk"))


def panel_lock(project: Project) -> Panel | None:
    """What is known of a project's people, locked, made where missing; None while another holds it."""
    start = Prior()
    Panel.objects.get_or_create(
        project=project,
        defaults={
            "prior_mos": start.mos,
            "prior_std": start.std,
            "noise_std": start.noise_std,
            "bias_std": start.bias_std,
            "vote_count": 0,
            "last_vote_id": 0,
        },
    )
    return Panel.objects.select_for_update(skip_locked=True).filter(project=project).first()


def export_lock(job_id: int) -> ExportJob:
    """One export, locked."""
    job = ExportJob.objects.select_for_update(of=("self",)).filter(pk=job_id).first()
    if job is None:
        raise NotThereError(_("There is no such export."))
    return job
