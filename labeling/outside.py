"""Votes from other tools become votes like any other: by people who work elsewhere and cannot log in.

Only where an admin of the project asked for it with the import, never on a picture of the yardstick (whose
votes are given blind, here) and never on one a reviewer has decided on. Each outside vote takes a slot of
its own; how many votes a project asks for is about the people it pays.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from uuid import UUID, uuid5

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Max

from labeling.annotate import DECIDED
from labeling.models import Annotation, Assignment, Item, Project
from labeling.permissions import Role, role_of
from scoring.core.types import nearest_vote
from scoring.events import event_note
from scoring.models import ImportJob, OutsideLabel

AT_ONCE = 2000
PREFIX = "outside."
KEYS = UUID("5c1e7c0a-6f0b-4c57-9a53-6d1b5d0b7e11")  # a vote's key comes from its label, so it is made once
UNSPEAKABLE = re.compile(r"[^\w.@+-]+")


def outside_votes_count() -> int:
    """Make votes of what imports brought for the projects that take it; returns how many. Safe twice."""
    labels = OutsideLabel.objects.filter(kind=OutsideLabel.Kind.VOTE, is_counted=False)
    jobs = ImportJob.objects.filter(votes_for__isnull=False, pk__in=labels.values("job"))
    return sum(_count_job(job) for job in jobs.select_related("created_by"))


def _count_job(job: ImportJob) -> int:
    if job.votes_for is None:
        return 0
    project = Project.objects.filter(pk=job.votes_for, is_archived=False).first()
    if project is None or not _may(job.created_by, project):
        return 0
    counted = 0
    while made := _count_some(job, project):
        counted += made
    if counted:
        event_note(
            actor=job.created_by,
            verb="annotate.outside",
            target=project,
            after={"import": job.pk, "votes": counted},
        )
    return counted


def _may(person: User | None, project: Project) -> bool:
    return person is None or role_of(person, project) == Role.ADMIN


@transaction.atomic
def _count_some(job: ImportJob, project: Project) -> int:
    items = Item.objects.filter(project=project, is_holdout=False).exclude(state__in=DECIDED)
    waiting = OutsideLabel.objects.filter(job=job, kind=OutsideLabel.Kind.VOTE, is_counted=False)
    labels = list(waiting.filter(image__in=items.values("image_id")).order_by("image_id", "pk")[:AT_ONCE])
    if not labels:
        return 0
    held = items.filter(image__in={label.image_id for label in labels})
    by_image = {item.image_id: item for item in held.select_for_update().order_by("pk")}
    people = _people({label.who for label in labels})
    slots = _slots(project, by_image.values(), labels, people, by_image)
    _votes(slots)
    pks = {slot.item_id for slot, _label in slots}
    Item.objects.filter(pk__in=pks).update(is_due=True, version=F("version") + 1)
    return OutsideLabel.objects.filter(pk__in=[label.pk for label in labels]).update(is_counted=True)


def _people(names: Collection[str]) -> dict[str, User]:
    """An account that nobody can log in to, for each name."""
    wanted = {name: PREFIX + UNSPEAKABLE.sub("-", name)[:140] for name in names}
    fresh = [User(username=username, is_active=False, password="!") for username in set(wanted.values())]  # noqa: S106
    User.objects.bulk_create(fresh, ignore_conflicts=True)
    known = {user.username: user for user in User.objects.filter(username__in=wanted.values())}
    return {name: known[username] for name, username in wanted.items()}


def _slots(
    project: Project,
    items: Iterable[Item],
    labels: Iterable[OutsideLabel],
    people: dict[str, User],
    by_image: dict[int, Item],
) -> list[tuple[Assignment, OutsideLabel]]:
    """A slot behind the last one for each vote; a person who has voted on the picture gets none."""
    pks = [item.pk for item in items]
    there = Assignment.objects.filter(item__in=pks)
    last = defaultdict(int, there.values_list("item_id").annotate(last=Max("slot")).order_by())
    taken = set(there.filter(user__in=people.values()).values_list("item_id", "user_id"))
    made = []
    for label in labels:
        item, person = by_image.get(label.image_id), people[label.who]
        if item is None or (item.pk, person.pk) in taken:
            continue
        taken.add((item.pk, person.pk))
        last[item.pk] += 1
        slot = Assignment(
            item=item, project=project, slot=last[item.pk], user=person, state=Assignment.State.SUBMITTED
        )
        made.append((slot, label))
    Assignment.objects.bulk_create([slot for slot, _label in made])
    return made


def _votes(slots: Iterable[tuple[Assignment, OutsideLabel]]) -> None:
    Annotation.objects.bulk_create(
        Annotation(
            item_id=slot.item_id,
            assignment=slot,
            rater=slot.user,
            rating=nearest_vote(label.score),
            key=uuid5(KEYS, str(label.pk)),
            body_digest=hashlib.sha256(f"outside {label.pk}".encode()).hexdigest(),
        )
        for slot, label in slots
    )
