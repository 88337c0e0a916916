"""The yardstick: drawn before anything is asked, by seller and product, blind, at a pace, to the end."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from labeling.annotate import annotation_submit
from labeling.consensus import consensus_settle
from labeling.dataset import frozen_rows
from labeling.holdout import holdout_slots_open, sellers_judged, yardstick_of
from labeling.models import Assignment, Flag, Item, Membership, Project
from labeling.ordering import queue_fill, queue_reorder
from labeling.queue import lease_next
from scoring.models import Image, Product
from tests.conftest import Cast
from tests.factories import features_make, image_make, item_make, score_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]


@pytest.fixture
def held_project(cast: Cast) -> Project:
    """The project with a fifth held back, five votes each."""
    Project.objects.update(holdout_share=0.2, holdout_votes=5)
    cast.project.refresh_from_db()
    return cast.project


def pictures(count: int, *, seller: str = "", shots: int = 1) -> list[Image]:
    """Scored pictures with features: ``count`` products of ``shots`` pictures."""
    made = []
    for number in range(count):
        product = Product.objects.create(seller=seller, external_id=f"{seller}-{uuid4().hex[:8]}")
        for _ in range(shots):
            made.append(image_make(product=product))
            score_make(made[-1], std=10 + number / 10)
            features_make(made[-1], seed=made[-1].pk)
    return made


def raters(project: Project, count: int) -> list[User]:
    people = [User.objects.create(username=f"rater{n}") for n in range(count)]
    Membership.objects.bulk_create(
        Membership(project=project, user=person, role="annotator") for person in people
    )
    return people


def vote(user: User, item: Item, rating: int) -> None:
    """One more person's vote, settled at once."""
    (slot,) = lease_next(user=user, project=item.project)
    annotation_submit(user=user, assignment_id=slot.pk, key=uuid4(), rating=rating)
    consensus_settle(item_id=item.pk)
    item.refresh_from_db()


def test_a_fifth_is_drawn_and_no_product_stands_on_both_sides(held_project: Project) -> None:
    pictures(50, shots=3)
    queue_fill(project=held_project)
    sides: dict[int, set[bool]] = {}
    for product, side in Item.objects.values_list("image__product_id", "is_holdout"):
        sides.setdefault(product, set()).add(side)
    assert all(len(each) == 1 for each in sides.values())
    assert Item.objects.filter(is_holdout=True).count() == pytest.approx(30, abs=3)


def test_among_many_sellers_none_stands_on_both_sides_whenever_its_pictures_come(
    held_project: Project,
) -> None:
    for number in range(20):
        pictures(4, seller=f"seller {number}")
    queue_fill(project=held_project)
    for number in range(0, 20, 3):  # more of the same sellers, later
        pictures(3, seller=f"seller {number}")
    queue_fill(project=held_project)
    pairs = set(Item.objects.values_list("image__product__seller", "is_holdout"))
    assert len(pairs) == 20
    held = sum(side for _seller, side in pairs)
    assert 2 <= held <= 6
    assert sellers_judged(project=held_project) == (held, 0)


def test_the_only_seller_is_split_by_product(held_project: Project) -> None:
    pictures(40, seller="acme")
    queue_fill(project=held_project)
    assert Item.objects.filter(is_holdout=True).count() == 8
    assert sellers_judged(project=held_project) == (1, 1)


def test_a_new_picture_of_a_product_joins_its_side(held_project: Project) -> None:
    pictures(20)
    queue_fill(project=held_project)
    held = Item.objects.filter(is_holdout=True).values_list("image__product_id", flat=True)[0]
    late = image_make(product=Product.objects.get(pk=held))
    score_make(late)
    queue_fill(project=held_project)
    assert Item.objects.get(image=late).is_holdout


def test_no_more_are_held_back_than_the_project_says(held_project: Project) -> None:
    Project.objects.update(holdout_size=5)
    held_project.refresh_from_db()
    pictures(60)
    queue_fill(project=held_project)
    assert Item.objects.filter(is_holdout=True).count() == 5


def test_more_than_half_is_refused(held_project: Project) -> None:
    with pytest.raises(IntegrityError, match="at_most_half_of_a_project_is_held_back"):
        Project.objects.update(holdout_share=0.6)


def test_held_back_pictures_come_blind_with_all_their_slots_at_every_tenth_place(
    held_project: Project,
) -> None:
    pictures(60)
    queue_fill(project=held_project)
    held = Item.objects.filter(is_holdout=True)
    for item in held:
        slots = Assignment.objects.filter(item=item)
        assert slots.count() == 5
        assert all(slots.values_list("is_blind", flat=True))
    queue_reorder(project=held_project)
    first = Item.objects.order_by("-priority", "id").values_list("is_holdout", flat=True)[:40]
    assert 3 <= sum(first) <= 5


def test_one_with_votes_keeps_its_pace_and_gives_way_to_one_with_none(held_project: Project) -> None:
    pictures(60)
    queue_fill(project=held_project)
    begun = Item.objects.filter(is_holdout=True).order_by("pk")[0]
    Assignment.objects.filter(item=begun, slot=1).update(state="submitted", user=raters(held_project, 1)[0])
    queue_reorder(project=held_project)
    begun.refresh_from_db()
    assert begun.priority < 3
    others = Item.objects.filter(is_holdout=True).exclude(pk=begun.pk)
    in_the_batch = [priority for priority in others.values_list("priority", flat=True) if priority > 1]
    assert len(in_the_batch) >= 3
    assert begun.priority < min(in_the_batch)


def test_it_counts_from_its_first_label_on_and_collects_until_the_last_vote(held_project: Project) -> None:
    item = item_make(held_project, slots=5)
    score_make(item.image)
    Item.objects.update(is_holdout=True)
    item.refresh_from_db()
    people = raters(held_project, 6)
    vote(people[0], item, 1)
    assert item.state == Item.State.OPEN  # the project asks for two votes a label
    vote(people[1], item, 5)  # a dispute of two: more votes will tell, no reviewer is asked
    assert item.state == Item.State.SETTLED
    assert Assignment.objects.filter(item=item, state="free").count() == 3
    (row,) = frozen_rows(project=held_project)
    assert (row.vote_count, row.is_holdout) == (2, True)
    for person in people[2:5]:
        vote(person, item, 3)
    assert yardstick_of(project=held_project).complete == 1
    assert not Assignment.objects.filter(item=item, state="free").exists()
    assert not Flag.objects.exists()


def test_a_project_that_asks_for_more_gets_the_slots(held_project: Project) -> None:
    pictures(20)
    queue_fill(project=held_project)
    Project.objects.update(holdout_votes=7)
    held_project.refresh_from_db()
    held = Item.objects.filter(is_holdout=True).count()
    assert holdout_slots_open(project=held_project) == 2 * held
    assert holdout_slots_open(project=held_project) == 0
    assert Assignment.objects.filter(item__is_holdout=True, is_blind=True).count() == 7 * held


def test_settled_ones_that_still_collect_stay_in_the_order(held_project: Project) -> None:
    pictures(30)
    queue_fill(project=held_project)
    Item.objects.filter(is_holdout=True).update(state="settled", priority=0.5)
    queue_reorder(project=held_project)
    now = list(Item.objects.filter(is_holdout=True).values_list("priority", flat=True))
    assert 0.5 not in now
    assert sum(priority > 1 for priority in now) >= 2


def test_the_yardstick_is_told_in_one_query(held_project: Project, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    pictures(20)
    queue_fill(project=held_project)
    with django_assert_num_queries(1):
        told = yardstick_of(project=held_project)
    assert (told.drawn, told.labelled, told.complete, told.wanted) == (4, 0, 0, 5)


def test_the_learning_page_tells_how_far_it_is(client: Client, cast: Cast, held_project: Project) -> None:
    client.force_login(cast.ada)
    assert "No picture is held back" in client.get(reverse("learning")).content.decode()
    pictures(20)
    queue_fill(project=held_project)
    page = client.get(reverse("learning")).content.decode()
    assert "Pictures held back" in page
    assert "both-sides" not in page
    pictures(40, seller="acme")
    queue_fill(project=held_project)
    page = client.get(reverse("learning")).content.decode()
    assert "1 of 1 seller whose pictures judge the model teach it too" in page
    assert "of 5" in page
