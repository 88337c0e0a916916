"""A finished label may be asked about once more where that is worth more than a new picture."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from labeling.again import again_open, items_again
from labeling.consensus import consensus_settle
from labeling.core.priority import AGAIN
from labeling.models import Annotation, Assignment, Consensus, Item, Project, Skip
from labeling.ordering import queue_reorder, reorder_due
from labeling.queue import lease_next
from labeling.rules import project_change
from scoring.models import Event, Image
from scoring.registry import base_model_ensure, serving
from tests.conftest import Cast
from tests.factories import features_make, image_make, item_make, label_make, score_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]


def alike(kind: int) -> Image:
    """A scored picture of a kind: all of a kind have nearly the same features."""
    base_model_ensure()
    width = len(np.frombuffer(features_make(image := image_make(), seed=kind).vector, dtype="<f4"))
    grain = np.random.default_rng(image.pk).normal(0, 0.01, width)
    stored = image.features.get()
    stored.vector = (np.frombuffer(stored.vector, dtype="<f4") + grain).astype("<f4").tobytes()
    stored.save()
    score_make(image)
    return image


def with_labels_and_their_like(cast: Cast, *, asks: str = Project.AsksAgain.ACT) -> list[Consensus]:
    """Three labelled pictures, and thirty new ones that look like them; two of three votes each so far."""
    Project.objects.update(asks_again=asks, overlap=2, max_overlap=3)
    cast.project.refresh_from_db()
    labels = [label_make(cast.project, image=alike(kind), votes=2) for kind in range(3)]
    Assignment.objects.filter(slot=1).update(state="submitted", user=cast.ben)
    Assignment.objects.filter(slot=2).update(state="submitted", user=cast.rui)
    for number in range(30):
        item_make(cast.project, image=alike(number % 3))
    return labels


def opened(cast: Cast) -> int:
    return again_open(project=cast.project, model=serving().displayed)


def test_a_label_that_stands_for_many_new_pictures_is_handed_out_again_before_them(cast: Cast) -> None:
    labels = with_labels_and_their_like(cast)
    queue_reorder(project=cast.project)
    waiting = set(items_again(project=cast.project).values_list("pk", flat=True))
    assert waiting == {label.item_id for label in labels}
    slot = Assignment.objects.get(item_id=labels[0].item_id, state="free")
    assert (slot.slot, slot.priority) == (3, AGAIN)
    assert Item.objects.get(pk=slot.item_id).state == "settled"  # its label counts meanwhile
    assert Event.objects.filter(verb="queue.ask_again").count() == 3
    (leased,) = lease_next(user=cast.ann, project=cast.project)
    assert leased.item_id in waiting
    assert opened(cast) == 0  # safe twice


def test_whoever_voted_on_it_is_not_asked_and_nobody_is_where_nobody_is_left(cast: Cast) -> None:
    labels = with_labels_and_their_like(cast)
    Skip.objects.create(item_id=labels[0].item_id, user=cast.ann)
    Assignment.objects.filter(item_id=labels[1].item_id, slot=1).update(user=cast.ann)
    assert opened(cast) > 0
    mine = {each.item_id for each in lease_next(user=cast.ben, project=cast.project, count=24)}
    assert not mine & {labels[0].item_id, labels[2].item_id}
    everybody = Assignment.objects.filter(item_id=labels[0].item_id)
    assert [slot.state for slot in everybody] == ["submitted", "submitted"]  # ann passed, ben has voted


def test_never_beyond_the_most_votes_nor_on_the_yardstick_nor_on_new_kinds(cast: Cast) -> None:
    labels = with_labels_and_their_like(cast)
    Consensus.objects.filter(pk=labels[0].pk).update(vote_count=3)
    Item.objects.filter(pk=labels[1].item_id).update(is_holdout=True)
    opened(cast)
    assert set(items_again(project=cast.project).values_list("pk", flat=True)) <= {labels[2].item_id}
    Assignment.objects.filter(slot=3).delete()
    for kind in range(10, 40):
        item_make(cast.project, image=alike(kind))
    assert opened(cast) == 0


@pytest.mark.parametrize("asks", ["off", "advise"])
def test_unless_the_project_says_so_nothing_is_opened(cast: Cast, asks: str) -> None:
    with_labels_and_their_like(cast, asks=asks)
    queue_reorder(project=cast.project)
    assert not items_again(project=cast.project).exists()


def test_with_no_new_picture_left_the_work_is_done(cast: Cast) -> None:
    with_labels_and_their_like(cast)
    Item.objects.filter(state="open").update(state="settled")
    Assignment.objects.filter(state="free").update(state="closed")
    assert opened(cast) == 0


def test_one_vote_more_shuts_it_and_makes_the_label_surer(cast: Cast) -> None:
    label = with_labels_and_their_like(cast)[0]
    opened(cast)
    for number, slot in enumerate(Assignment.objects.filter(item_id=label.item_id).order_by("slot")):
        voter = (cast.ben, cast.rui, cast.ann)[number]
        Assignment.objects.filter(pk=slot.pk).update(state="submitted", user=voter)
        key = f"00000000-0000-4000-8000-{number:012d}"
        Annotation.objects.create(
            item=label.item, assignment=slot, rater=voter, rating=4, key=key, body_digest="0" * 64
        )
    after = consensus_settle(item_id=label.item_id)
    assert after is not None
    assert after.vote_count == 3
    assert not items_again(project=cast.project).filter(pk=label.item_id).exists()
    assert Item.objects.get(pk=label.item_id).state == "settled"


def test_the_rule_switched_off_shuts_what_nobody_holds_and_makes_the_order_old(cast: Cast) -> None:
    labels = with_labels_and_their_like(cast)
    queue_reorder(project=cast.project)
    assert not reorder_due(project=cast.project)
    lease_next(user=cast.ann, project=cast.project)
    project_change(by=cast.ada, project=cast.project, changes={"asks_again": "off"})
    cast.project.refresh_from_db()
    states = Assignment.objects.filter(item__in=[label.item_id for label in labels], slot=3)
    assert sorted(slot.state for slot in states) == ["closed", "closed", "leased"]
    assert reorder_due(project=cast.project)
    assert cache.get(f"queue-order:{cast.project.pk}") is not None


def test_the_learning_page_says_how_many_and_why(cast: Cast, client: Client) -> None:
    with_labels_and_their_like(cast)
    queue_reorder(project=cast.project)
    client.force_login(cast.ada)
    told = client.get(reverse("learning")).content.decode()
    assert "3 finished pictures are open for one more vote" in told
    assert told.count("has its label; one more vote here is worth more") == 3
