"""The queue fills itself, puts itself in order, and writes only what moved."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from labeling import lease
from labeling.fill import SPLIT_SEED
from labeling.models import Assignment, CategoryQuota, Item, Project
from labeling.ordering import queue_fill, queue_reorder, queues_renew, reorder_due
from labeling.queue import lease_next
from labeling.reasons import reasons_kept
from scoring.core.splits import TRAIN, teaching_split
from scoring.models import Image, ModelVersion, Serving
from scoring.registry import base_model_ensure
from tests.conftest import Cast
from tests.factories import features_make, image_make, item_make, score_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]


def catalogue(count: int, *, category: str = "mugs", std: float = 10.0) -> list[Image]:
    """Scored pictures with features, surer and less sure ones."""
    images = [image_make(category=category) for _ in range(count)]
    for number, image in enumerate(images):
        score_make(image, std=std + number / 10)
        features_make(image, seed=number)
    return images


def with_order(project: Project, order: str) -> Project:
    Project.objects.filter(pk=project.pk).update(order=order)
    project.refresh_from_db()
    return project


def priorities_of(project: Project) -> dict[int, float]:
    return dict(Item.objects.filter(project=project).values_list("image_id", "priority"))


def is_set_apart(image_id: int) -> bool:
    product = Image.objects.get(pk=image_id).product
    held = Item.objects.filter(image_id=image_id, is_holdout=True).exists()
    return held or teaching_split(f"{product.seller}/{product.external_id}", seed=SPLIT_SEED) != TRAIN


def test_slots_follow_their_item_and_a_lease_follows_the_order(cast: Cast) -> None:
    catalogue(30)
    queue_fill(project=cast.project)
    assert queue_reorder(project=cast.project) > 10
    for assignment in Assignment.objects.select_related("item"):
        assert assignment.priority == assignment.item.priority
    first = Item.objects.order_by("-priority")[0]
    (leased,) = lease_next(user=cast.ann, project=cast.project)
    assert leased.item_id == first.pk


def test_the_same_state_gives_the_same_order_and_writes_nothing(cast: Cast) -> None:
    catalogue(25)
    queue_fill(project=cast.project)
    queue_reorder(project=cast.project)
    before = priorities_of(cast.project)
    assert queue_reorder(project=cast.project) == 0
    assert priorities_of(cast.project) == before


def test_a_fifth_of_the_batch_is_what_the_model_is_judged_and_calibrated_on(cast: Cast) -> None:
    catalogue(60)
    Project.objects.update(holdout_share=0.2)
    cast.project.refresh_from_db()
    queue_fill(project=cast.project)
    queue_reorder(project=cast.project)
    ranked = list(
        Item.objects.filter(priority__gt=1.0).order_by("-priority").values_list("image_id", flat=True)
    )
    apart = [is_set_apart(pk) for pk in ranked]
    assert 0 < sum(apart[:20]) <= 5
    assert sum(apart) == pytest.approx(len(apart) / 5, abs=1.5)


def test_most_uncertain_first_where_the_project_says_so(cast: Cast) -> None:
    images = catalogue(20)
    project = with_order(cast.project, "uncertainty")
    queue_fill(project=project)
    queue_reorder(project=project)
    stds = {image.pk: number for number, image in enumerate(images)}
    ranked = [pk for pk in sorted(stds, key=lambda pk: -priorities_of(project)[pk]) if not is_set_apart(pk)]
    assert ranked == sorted(ranked, key=lambda pk: -stds[pk])


def test_random_order_is_even_and_does_not_move_when_the_model_does(cast: Cast) -> None:
    catalogue(40)
    project = with_order(cast.project, "random")
    queue_fill(project=project)
    queue_reorder(project=project)
    drawn = list(priorities_of(project).values())
    assert len(set(drawn)) == 40
    assert all(0 <= draw < 1 for draw in drawn)
    other = another_model()
    for image in Image.objects.all():
        score_make(image, std=99.0, model=other)
    assert queue_reorder(project=project) == 0


def another_model() -> ModelVersion:
    """A copy of the base model that people now see."""
    base = base_model_ensure()
    other = ModelVersion.objects.create(
        name="other", kind="base", feature_version=base.feature_version, weights_digest=base.weights_digest
    )
    Serving.objects.update(displayed=other)
    return other


def test_a_begun_item_comes_first_so_that_labels_get_finished(cast: Cast) -> None:
    catalogue(12)
    queue_fill(project=cast.project)
    begun = Item.objects.order_by("pk")[7]
    Assignment.objects.filter(item=begun, slot=1).update(state="submitted", user=cast.ann)
    queue_reorder(project=cast.project)
    assert Item.objects.order_by("-priority")[0].pk == begun.pk
    assert Assignment.objects.get(item=begun, slot=1).priority < 1  # a slot that has its vote stays
    assert Assignment.objects.get(item=begun, slot=2).priority == 3
    (leased,) = lease_next(user=cast.ben, project=cast.project)
    assert leased.item_id == begun.pk


def test_near_duplicates_are_not_asked_about_together(cast: Cast) -> None:
    images = [image for image in catalogue(40) if not is_set_apart(image.pk)]
    for image in images[10:]:  # all look like the first
        image.features.update(embedding=images[0].features.get().embedding)
    queue_fill(project=cast.project)
    queue_reorder(project=cast.project)
    batch = {pk for pk, priority in priorities_of(cast.project).items() if priority > 1.0}
    alike = {images[0].pk, *(image.pk for image in images[10:])}
    assert len(batch & alike) == 1


def test_new_scores_join_every_live_project_that_takes_them(cast: Cast) -> None:
    catalogue(15)  # enough that some of them teach, whatever their numbers
    closed = Project.objects.create(name="Closed", takes_new_images=False)
    old = Project.objects.create(name="Old", is_archived=True)
    told = queues_renew()
    assert told["filled"] == 15
    assert told["moved"] > 0
    assert queues_renew() == {"filled": 0, "moved": 0}
    assert not Item.objects.filter(project__in=[closed, old]).exists()


def test_an_order_is_old_when_model_order_labels_or_images_changed(cast: Cast) -> None:
    project = cast.project
    images = catalogue(60)
    queue_fill(project=project, image_ids=[image.pk for image in images[:52]])
    assert reorder_due(project=project)
    queue_reorder(project=project)
    assert not reorder_due(project=project)
    queue_fill(project=project, image_ids=[images[52].pk])
    assert not reorder_due(project=project)  # one more picture waits a little
    queue_fill(project=project)
    assert reorder_due(project=project)
    queue_reorder(project=project)
    Item.objects.filter(pk__in=list(Item.objects.values_list("pk", flat=True)[:50])).update(state="settled")
    assert reorder_due(project=project)
    queue_reorder(project=project)
    another_model()
    assert reorder_due(project=project)


def test_a_single_new_picture_is_ordered_after_a_while(cast: Cast) -> None:
    images = catalogue(20)
    queue_fill(project=cast.project, image_ids=[image.pk for image in images[:19]])
    queue_reorder(project=cast.project)
    queue_fill(project=cast.project)
    key = f"queue-order:{cast.project.pk}"
    past = (timezone.now() - timedelta(minutes=11)).isoformat()
    assert not reorder_due(project=cast.project)
    cache.set(key, {**cache.get(key), "at": past})
    assert reorder_due(project=cast.project)


def test_an_order_keeps_why_each_picture_of_its_batch_was_chosen(cast: Cast) -> None:
    catalogue(60)
    queue_fill(project=cast.project)
    queue_reorder(project=cast.project)
    reasons = reasons_kept(project=cast.project)
    batch = {pk for pk, priority in Item.objects.values_list("pk", "priority") if priority > 1.0}
    assert reasons.herded.keys() | reasons.drawn == batch
    assert not reasons.herded.keys() & reasons.drawn
    assert not any(is_set_apart(item.image_id) for item in Item.objects.filter(pk__in=reasons.herded))
    ranked = Item.objects.filter(pk__in=reasons.herded).order_by("-priority").values_list("pk", flat=True)
    asked = [reasons.herded[pk].asked for pk in ranked]
    assert asked[0] == 0 < asked[-1]
    queue_reorder(project=with_order(cast.project, "uncertainty"))
    assert not reasons_kept(project=cast.project).herded  # its reason is another


def test_two_workers_do_not_order_one_project_at_once(cast: Cast) -> None:
    catalogue(5)
    queue_fill(project=cast.project)
    cache.add(f"queue-order:{cast.project.pk}:lock", 1, timeout=60)
    assert queue_reorder(project=cast.project) == 0


def test_what_joins_stands_where_the_rest_would_put_it_so_that_little_is_written_twice(cast: Cast) -> None:
    catalogue(4)
    queue_fill(project=cast.project)
    assert sorted(priorities_of(cast.project).values()) == [0.1] * 4
    queue_reorder(project=cast.project)
    assert queue_reorder(project=cast.project) == 0


def test_a_quota_shapes_what_is_asked_next_and_its_change_makes_the_order_old(cast: Cast) -> None:
    catalogue(60)
    rare = {image.pk for image in catalogue(20, category="pens")}
    queue_fill(project=cast.project)
    queue_reorder(project=cast.project)
    assert not reorder_due(project=cast.project)
    CategoryQuota.objects.create(project=cast.project, category="pens", share=0.9)
    assert reorder_due(project=cast.project)
    queue_reorder(project=cast.project)
    ranked = Item.objects.filter(priority__gt=1.0).order_by("-priority").values_list("image_id", flat=True)
    first = [pk for pk in ranked if not is_set_apart(pk)][:8]
    assert sum(pk in rare for pk in first) >= 6


def test_many_people_ahead_at_the_top_cost_no_look_at_the_whole_queue(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(70):  # more than the first look passes over
        item_make(cast.project, priority=100.0 - place, slots=1)
    soon = timezone.now() + timedelta(minutes=5)
    top = Assignment.objects.order_by("-priority").values("pk")[:69]
    Assignment.objects.filter(pk__in=top).update(
        state=Assignment.State.LEASED, user=cast.ben, leased_at=timezone.now(), lease_until=soon
    )
    whole = max(lease.WINDOWS)
    monkeypatch.delitem(lease.LEASES, whole)  # to look there would be a KeyError
    (leased,) = lease_next(user=cast.ann, project=cast.project)
    assert leased.priority == 31.0
