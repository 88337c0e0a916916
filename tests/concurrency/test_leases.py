"""Leases under pressure: several people ask at once, each by a connection of their own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone

from labeling.models import Assignment, Item, Membership, Project
from labeling.queue import lease_next, lease_release, queue_sweep
from scoring.models import Image
from tests.factories import image_make

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 8


@pytest.fixture
def people(project: Project) -> list[User]:
    users = [User.objects.create_user(f"rater{n}") for n in range(PEOPLE)]
    Membership.objects.bulk_create(
        Membership(project=project, user=user, role=Membership.Role.ANNOTATOR) for user in users
    )
    return users


def fill(project: Project, count: int) -> None:
    product = image_make().product
    Image.objects.all().delete()
    images = Image.objects.bulk_create(
        Image(
            digest=f"{n:064x}",
            product=product,
            stored_format="jpeg",
            source_format="JPEG",
            width=96,
            height=96,
            byte_count=1,
        )
        for n in range(count)
    )
    items = Item.objects.bulk_create(Item(project=project, image=image) for image in images)
    Assignment.objects.bulk_create(
        Assignment(item=item, project=project, slot=slot)
        for item in items
        for slot in range(1, project.overlap + 1)
    )


def at_once(people: list[User], work: Callable[[User], list[int]]) -> list[list[int]]:
    """Everybody starts in the same instant; what each came home with."""
    gate = threading.Barrier(len(people))

    def start(user: User) -> list[int]:
        try:
            gate.wait(timeout=10)
            return work(user)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(start, people))


def lease_all(project: Project, user: User, *, count: int = 3) -> list[int]:
    """Lease and vote until nothing is left, as a page does; the items handed out."""
    items: list[int] = []
    while leased := lease_next(user=user, project=project, count=count):
        items += [a.item_id for a in leased]
        Assignment.objects.filter(pk__in=[a.pk for a in leased]).update(state=Assignment.State.SUBMITTED)
    return items


@pytest.mark.parametrize("overlap", [1, 2, 3])
def test_eight_people_take_every_slot_once_and_nobody_an_image_twice(
    project: Project, people: list[User], overlap: int
) -> None:
    Project.objects.filter(pk=project.pk).update(overlap=overlap)
    project.refresh_from_db()
    fill(project, 120)
    taken = at_once(people, lambda user: lease_all(project, user))
    for mine in taken:
        assert len(mine) == len(set(mine))
    handed_out = Counter(item for mine in taken for item in mine)
    assert set(handed_out.values()) == {overlap}
    assert len(handed_out) == 120
    assert not Assignment.objects.exclude(state="submitted").exists()


def test_the_last_image_goes_to_one_of_eight(project: Project, people: list[User]) -> None:
    Project.objects.filter(pk=project.pk).update(overlap=1)
    project.refresh_from_db()
    fill(project, 1)
    taken = at_once(people, lambda user: [a.pk for a in lease_next(user=user, project=project)])
    assert sorted(map(len, taken)) == [0] * (PEOPLE - 1) + [1]


def test_two_tabs_of_one_person_never_hold_two_slots_of_one_image(
    project: Project, people: list[User]
) -> None:
    fill(project, 6)
    ann = people[0]
    tabs = [ann] * PEOPLE
    taken = at_once(tabs, lambda user: [a.item_id for a in lease_next(user=user, project=project, count=3)])
    held = Counter(Assignment.objects.filter(user=ann, state="leased").values_list("item_id", flat=True))
    assert set(held.values()) == {1}
    assert {item for tab in taken for item in tab} <= set(held)


def test_leases_that_ran_out_are_taken_over_once(project: Project, people: list[User]) -> None:
    Project.objects.filter(pk=project.pk).update(overlap=1)
    project.refresh_from_db()
    fill(project, 40)
    gone, others = people[0], people[1:]
    held = lease_next(user=gone, project=project, count=20)
    assert sum(len(mine) for mine in at_once(others, lambda user: lease_all(project, user))) == 20
    assert at_once(others, lambda user: lease_all(project, user)) == [[]] * len(others)
    past = timezone.now() - timedelta(seconds=1)
    Assignment.objects.filter(pk__in=[a.pk for a in held]).update(lease_until=past)
    taken = at_once(others, lambda user: lease_all(project, user))
    assert sorted(item for mine in taken for item in mine) == sorted(a.item_id for a in held)


def test_sweeping_and_releasing_beside_leasing_loses_no_slot(project: Project, people: list[User]) -> None:
    Project.objects.filter(pk=project.pk).update(overlap=1)
    project.refresh_from_db()
    fill(project, 60)

    def restless(user: User) -> list[int]:
        items: list[int] = []
        for turn in range(200):
            leased = lease_next(user=user, project=project, count=2)
            if not leased:
                break
            keep, back = leased[:1], leased[1:]
            if turn % 3 == 0:
                past = timezone.now() - timedelta(seconds=1)
                Assignment.objects.filter(pk__in=[a.pk for a in back], user=user).update(lease_until=past)
                queue_sweep()
            else:
                lease_release(user=user, assignment_ids=[a.pk for a in back])
            done = Assignment.objects.filter(
                pk__in=[a.pk for a in keep], user=user, state=Assignment.State.LEASED
            )
            if done.update(state=Assignment.State.SUBMITTED):
                items += [a.item_id for a in keep]
        return items

    taken = [item for mine in at_once(people, restless) for item in mine]
    left = at_once(people, lambda user: lease_all(project, user))
    assert sorted(taken + [item for mine in left for item in mine]) == sorted(
        Item.objects.values_list("pk", flat=True)
    )
