"""Station 3: leases, skips and order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from labeling.models import Assignment, Item, Membership, Skip
from labeling.queue import (
    item_skip,
    item_unskip,
    lease_extend,
    lease_next,
    lease_release,
    left_for,
    queue_counts,
    queue_fill,
    queue_sweep,
    skips_forget,
    why_nothing,
)
from scoring.errors import BadInputError, ConflictError, NotAllowedError, NotThereError
from scoring.models import Image, Product
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

pytestmark = pytest.mark.django_db


def expire(assignment: Assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_filling_takes_every_visible_scored_image_once_with_free_slots(cast: Cast) -> None:
    seen = [image_make(), image_make()]
    hidden, unscored = image_make(), image_make()
    for image in (*seen, hidden):
        score_make(image)
    Image.objects.filter(pk=hidden.pk).update(is_hidden=True)
    assert queue_fill(project=cast.project) == 2
    assert queue_fill(project=cast.project) == 0
    assert set(Item.objects.values_list("image_id", flat=True)) == {image.pk for image in seen}
    assert unscored.items.count() == 0
    assert sorted(Assignment.objects.values_list("slot", "state")) == [
        (1, "free"),
        (1, "free"),
        (2, "free"),
        (2, "free"),
    ]


def test_the_highest_priority_is_handed_out_first(cast: Cast) -> None:
    item_make(cast.project, priority=0.1)
    high = item_make(cast.project, priority=0.9)
    (leased,) = lease_next(user=cast.ann, project=cast.project)
    assert leased.item_id == high.pk
    assert leased.image_id == high.image_id
    assert leased.state == "leased"
    assert leased.user_id == cast.ann.pk
    minutes = (leased.lease_until - timezone.now()) / timedelta(minutes=1)
    assert cast.project.lease_minutes - 1 < minutes <= cast.project.lease_minutes


def test_a_lease_is_one_statement_and_one_role_look_up(cast: Cast, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    item_make(cast.project)
    with django_assert_num_queries(4):  # savepoint, role, lease, release
        assert lease_next(user=cast.ann, project=cast.project)


def test_a_reloaded_page_gets_the_image_it_had_and_a_prefetching_page_gets_others(cast: Cast) -> None:
    for _ in range(3):
        item_make(cast.project)
    (first,) = lease_next(user=cast.ann, project=cast.project)
    (again,) = lease_next(user=cast.ann, project=cast.project)
    (other,) = lease_next(user=cast.ann, project=cast.project, holding=[first.pk])
    assert again.pk == first.pk
    assert other.item_id != first.item_id


def test_two_people_may_rate_one_image_but_nobody_twice_and_nobody_third(cast: Cast) -> None:
    item = item_make(cast.project)
    held = lease_next(user=cast.ann, project=cast.project, count=5)
    assert [a.item_id for a in held] == [item.pk]
    assert len(lease_next(user=cast.ben, project=cast.project, count=5)) == 1
    assert lease_next(user=cast.rui, project=cast.project) == []
    assert lease_next(user=cast.ann, project=cast.project, holding=[held[0].pk]) == []


def test_a_lease_that_ran_out_goes_to_the_next_person(cast: Cast) -> None:
    item = item_make(cast.project, slots=1)
    (mine,) = lease_next(user=cast.ann, project=cast.project)
    assert lease_next(user=cast.ben, project=cast.project) == []
    expire(mine)
    (taken,) = lease_next(user=cast.ben, project=cast.project)
    assert (taken.pk, taken.user_id) == (mine.pk, cast.ben.pk)
    assert item.assignments.count() == 1


def test_the_sweep_frees_what_ran_out_and_remembers_whose_it_was(cast: Cast) -> None:
    item_make(cast.project, slots=1)
    (mine,) = lease_next(user=cast.ann, project=cast.project)
    assert queue_sweep() == {"freed": 0, "returns_given_up": 0}
    expire(mine)
    assert queue_sweep() == {"freed": 1, "returns_given_up": 0}
    mine.refresh_from_db()
    assert (mine.state, mine.user_id, mine.lease_until) == ("free", cast.ann.pk, None)


def test_a_heartbeat_prolongs_only_leases_still_held(cast: Cast) -> None:
    item_make(cast.project, slots=1)
    (mine,) = lease_next(user=cast.ann, project=cast.project)
    Assignment.objects.update(lease_until=timezone.now() + timedelta(seconds=5))
    lease_extend(user=cast.ann, assignment_ids=[mine.pk])
    mine.refresh_from_db()
    assert mine.lease_until > timezone.now() + timedelta(minutes=5)
    expire(mine)
    lease_next(user=cast.ben, project=cast.project)
    lease_extend(user=cast.ann, assignment_ids=[mine.pk])
    mine.refresh_from_db()
    assert mine.user_id == cast.ben.pk


def test_a_released_image_is_free_for_everybody(cast: Cast) -> None:
    item_make(cast.project, slots=1)
    (mine,) = lease_next(user=cast.ann, project=cast.project)
    assert lease_release(user=cast.ben, assignment_ids=[mine.pk]) == 0
    assert lease_release(user=cast.ann, assignment_ids=[mine.pk]) == 1
    assert lease_next(user=cast.ben, project=cast.project)[0].pk == mine.pk


def test_a_page_loaded_again_keeps_what_the_old_one_gives_back(cast: Cast) -> None:
    item_make(cast.project)
    (old,) = lease_next(user=cast.ann, project=cast.project)
    (new,) = lease_next(user=cast.ann, project=cast.project)
    assert lease_release(user=cast.ann, assignment_ids=[old.pk], until=old.lease_until) == 0
    assert lease_release(user=cast.ann, assignment_ids=[old.pk], until=new.lease_until) == 1


def test_a_skipped_image_is_not_offered_again_to_that_person(cast: Cast) -> None:
    item_make(cast.project, slots=1)
    (mine,) = lease_next(user=cast.ann, project=cast.project)
    item_skip(user=cast.ann, assignment_id=mine.pk)
    assert lease_next(user=cast.ann, project=cast.project) == []
    assert left_for(user=cast.ann, project=cast.project) == 0
    assert lease_next(user=cast.ben, project=cast.project)[0].pk == mine.pk


def test_only_the_holder_may_skip(cast: Cast) -> None:
    item_make(cast.project)
    (mine,) = lease_next(user=cast.ann, project=cast.project)
    with pytest.raises(NotThereError):
        item_skip(user=cast.ben, assignment_id=mine.pk)
    Assignment.objects.filter(pk=mine.pk).update(state="submitted")
    with pytest.raises(ConflictError):
        item_skip(user=cast.ann, assignment_id=mine.pk)


def test_pictures_of_one_product_do_not_follow_each_other(cast: Cast) -> None:
    for product, priority in (("shoe", 0.9), ("shoe", 0.8), ("shoe", 0.7), ("bag", 0.2), ("coat", 0.1)):
        thing, _ = Product.objects.get_or_create(external_id=product)
        item_make(cast.project, image=image_make(product=thing), priority=priority)
    leased = lease_next(user=cast.ann, project=cast.project, count=3)
    products = [Item.objects.get(pk=a.item_id).image.product.external_id for a in leased]
    assert products == ["shoe", "bag", "coat"]
    (after,) = lease_next(user=cast.ann, project=cast.project, holding=[a.pk for a in leased])
    assert Item.objects.get(pk=after.item_id).image.product.external_id == "shoe"


def test_equals_come_in_an_order_of_one_s_own(cast: Cast) -> None:
    for _ in range(12):
        item_make(cast.project)
    ann = [a.item_id for a in lease_next(user=cast.ann, project=cast.project, count=12)]
    ben = [a.item_id for a in lease_next(user=cast.ben, project=cast.project, count=12)]
    assert sorted(ann) == sorted(ben)
    assert ann != ben


def test_strangers_see_no_project_and_the_paused_are_told_why(cast: Cast) -> None:
    item_make(cast.project)
    with pytest.raises(NotThereError):
        lease_next(user=cast.mallory, project=cast.project)
    Membership.objects.filter(user=cast.ann).update(is_paused=True, pause_reason="Rest your eyes.")
    with pytest.raises(NotAllowedError, match="Rest your eyes"):
        lease_next(user=cast.ann, project=cast.project)
    assert not Assignment.objects.exclude(state="free").exists()


@pytest.mark.parametrize("count", [0, -1, 1000])
def test_an_absurd_count_is_refused(cast: Cast, count: int) -> None:
    with pytest.raises(BadInputError):
        lease_next(user=cast.ann, project=cast.project, count=count)


def test_counts_see_an_expired_lease_as_free(cast: Cast) -> None:
    item_make(cast.project)
    item_make(cast.project)
    (mine,) = lease_next(user=cast.ann, project=cast.project)
    counts = queue_counts(project=cast.project)
    assert (counts.open_items, counts.free, counts.leased, counts.submitted) == (2, 3, 1, 0)
    expire(mine)
    assert queue_counts(project=cast.project).leased == 0
    assert left_for(user=cast.ben, project=cast.project) == 2


def test_a_skip_taken_back_is_theirs_again_unless_somebody_else_has_it(cast: Cast) -> None:
    item_make(cast.project, slots=1)
    (mine,) = lease_next(user=cast.ann, project=cast.project)
    item_skip(user=cast.ann, assignment_id=mine.pk)
    again = item_unskip(user=cast.ann, assignment_id=mine.pk)
    assert (again.pk, again.state, again.user_id) == (mine.pk, "leased", cast.ann.pk)
    assert lease_next(user=cast.ann, project=cast.project)[0].pk == mine.pk
    item_skip(user=cast.ann, assignment_id=mine.pk)
    lease_next(user=cast.ben, project=cast.project)
    with pytest.raises(ConflictError):
        item_unskip(user=cast.ann, assignment_id=mine.pk)
    assert Skip.objects.filter(user=cast.ann).exists()
    assert Assignment.objects.get(pk=mine.pk).user_id == cast.ben.pk


def test_a_heartbeat_says_which_leases_are_still_held(cast: Cast) -> None:
    item_make(cast.project, slots=1)
    item_make(cast.project, slots=1)
    kept, lost = lease_next(user=cast.ann, project=cast.project, count=2)
    expire(lost)
    lease_next(user=cast.ben, project=cast.project, count=2)
    extended = lease_extend(user=cast.ann, assignment_ids=[kept.pk, lost.pk, 999_999])
    assert extended.held == {kept.pk}
    assert Assignment.objects.get(pk=kept.pk).lease_until == extended.until
    assert lease_extend(user=cast.ann, assignment_ids=[]).held == frozenset()


def test_a_person_without_pictures_is_told_why(cast: Cast) -> None:
    def why(user: User) -> tuple[str, int, int]:
        nothing = why_nothing(user=user, project=cast.project)
        return nothing.code, nothing.skipped, nothing.held

    assert why(cast.ann) == ("no_pictures", 0, 0)
    item_make(cast.project, slots=1)
    (mine,) = lease_next(user=cast.ann, project=cast.project)
    assert why(cast.ben) == ("with_others", 0, 1)
    item_skip(user=cast.ann, assignment_id=mine.pk)
    assert why(cast.ann) == ("yours_done", 1, 0)
    assert skips_forget(user=cast.ann, project=cast.project) == 1
    (mine,) = lease_next(user=cast.ann, project=cast.project)
    Assignment.objects.filter(pk=mine.pk).update(state="submitted")
    assert why(cast.ann) == ("all_done", 0, 0)
    assert why(cast.ben) == ("all_done", 0, 0)


def test_each_person_has_an_order_of_their_own_among_pictures_worth_as_much(cast: Cast) -> None:
    for number in range(12):
        item_make(cast.project, priority=0.501 + number / 1000)
    first = item_make(cast.project, priority=0.9)
    orders = {}
    for who in (cast.ann, cast.ben):
        leased = lease_next(user=who, project=cast.project, count=13)
        orders[who.pk] = [each.item_id for each in leased]
        lease_release(user=who, assignment_ids=[each.pk for each in leased])
        Assignment.objects.update(user=None)
        again = lease_next(user=who, project=cast.project, count=13)
        assert [each.item_id for each in again] == orders[who.pk]
        lease_release(user=who, assignment_ids=[each.pk for each in again])
        Assignment.objects.update(user=None)
    ann, ben = orders.values()
    assert ann[0] == ben[0] == first.pk  # worth clearly more comes first for everybody
    assert set(ann) == set(ben)
    assert ann != ben
