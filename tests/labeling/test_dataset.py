"""Station 7: finished labels become one frozen version, and only those."""

from __future__ import annotations

from uuid import uuid4

import pytest

from labeling.dataset import dataset_freeze, frozen_rows, labels_ready
from labeling.models import Annotation, Assignment, Consensus, Item
from scoring.core.splits import teaching_split
from scoring.errors import BadInputError, ConflictError, NotAllowedError, NotThereError
from scoring.models import DatasetRow, DatasetVersion, Event, Image
from tests.conftest import Cast
from tests.factories import image_make, item_make, label_make

pytestmark = pytest.mark.django_db


def test_settled_and_approved_labels_are_frozen_and_nothing_else(cast: Cast) -> None:
    wanted = {
        label_make(cast.project, state=state).item.image_id
        for state in (Item.State.SETTLED, Item.State.APPROVED)
    }
    for state in (Item.State.OPEN, Item.State.FLAGGED, Item.State.REJECTED):
        label_make(cast.project, state=state)
    hidden = label_make(cast.project)
    Image.objects.filter(pk=hidden.item.image_id).update(is_hidden=True)
    assert labels_ready(project=cast.project) == 2
    dataset = dataset_freeze(project=cast.project, by=cast.ada)
    assert dataset.row_count == 2
    assert set(DatasetRow.objects.filter(dataset=dataset).values_list("image_id", flat=True)) == wanted


def test_a_vote_that_came_after_the_label_was_reckoned_is_not_told_as_part_of_it(cast: Cast) -> None:
    item = label_make(cast.project, votes=2).item
    for number, rater in enumerate((cast.ann, cast.ben)):
        said = {"rater": rater, "rating": 4, "key": uuid4(), "body_digest": "0" * 64}
        Annotation.objects.create(item=item, assignment=item.assignments.all()[number], **said)
    (before,) = frozen_rows(project=cast.project)
    third = Assignment.objects.create(item=item, project=cast.project, slot=9)
    late = {"rater": cast.rui, "rating": 1, "key": uuid4(), "body_digest": "0" * 64}
    Annotation.objects.create(item=item, assignment=third, **late)
    (after,) = frozen_rows(project=cast.project)
    assert len(before.votes) == before.vote_count == 2
    assert after == before


def test_a_row_carries_the_label_its_weight_and_its_product(cast: Cast) -> None:
    label = label_make(cast.project, mos=4.0, std_error=0.4, votes=3)
    Consensus.objects.filter(pk=label.pk).update(
        histogram=[0, 0, 1, 1, 1], dimensions={"sharpness": 2.0}, defects={"noise": 0.667}
    )
    (row,) = frozen_rows(project=cast.project)
    product = label.item.image.product
    assert row.target_score == 75.0
    assert row.target_std == 10.0  # 0.4 grades are ten points
    assert row.weight == 0.01
    assert (row.vote_count, row.histogram) == (3, (0, 0, 1, 1, 1))
    assert row.dimensions == {"sharpness": 25.0}  # scores 0-100, as everywhere in the machine's room
    assert row.defects == {"noise": 0.667}
    assert (row.group, row.category) == (f"/{product.external_id}", "mugs")


def test_no_label_is_surer_than_two_points(cast: Cast) -> None:
    label_make(cast.project, std_error=0.0)
    (row,) = frozen_rows(project=cast.project)
    assert (row.target_std, row.weight) == (2.0, 0.25)


def test_the_split_of_the_queue_is_the_split_of_the_dataset(cast: Cast) -> None:
    held = {label_make(cast.project).item_id for _ in range(30)}
    held = set(sorted(held)[::4])
    Item.objects.filter(pk__in=held).update(is_holdout=True)
    dataset = dataset_freeze(project=cast.project, by=None)
    sides = dict(Item.objects.values_list("image_id", "is_holdout"))
    for row in DatasetRow.objects.filter(dataset=dataset):
        assert row.split == ("holdout" if sides[row.image_id] else teaching_split(row.group, seed=0))


def test_rows_come_in_two_queries(cast: Cast, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    for _ in range(5):
        label_make(cast.project)
    with django_assert_num_queries(2):
        assert len(frozen_rows(project=cast.project)) == 5


def test_versions_count_up_and_the_same_labels_are_the_same_version(cast: Cast) -> None:
    label_make(cast.project)
    first = dataset_freeze(project=cast.project, by=cast.ada)
    again = dataset_freeze(project=cast.project, by=cast.ada)
    label_make(cast.project)
    second = dataset_freeze(project=cast.project, by=cast.ada)
    assert (first.name, second.name) == ("v1", "v2")
    assert again.pk == first.pk
    assert Event.objects.filter(verb="dataset.freeze", actor=cast.ada).count() == 2


def test_a_changed_label_makes_a_new_version(cast: Cast) -> None:
    label = label_make(cast.project)
    first = dataset_freeze(project=cast.project, by=None)
    Consensus.objects.filter(pk=label.pk).update(mos_score=51.0)
    assert dataset_freeze(project=cast.project, by=None).pk != first.pk


def test_a_version_may_have_a_name_and_a_note_but_no_other_version_s_name(cast: Cast) -> None:
    label_make(cast.project)
    named = dataset_freeze(project=cast.project, by=cast.ada, name=" Spring ", note="first hundred")
    assert (named.name, named.note) == ("Spring", "first hundred")
    label_make(cast.project)
    with pytest.raises(ConflictError, match="Spring") as refusal:
        dataset_freeze(project=cast.project, by=cast.ada, name="Spring")
    assert refusal.value.code == "name_taken"
    assert DatasetVersion.objects.count() == 1


def test_a_number_somebody_took_by_hand_is_passed_over(cast: Cast) -> None:
    label_make(cast.project)
    dataset_freeze(project=cast.project, by=None, name="v2")
    label_make(cast.project)
    assert dataset_freeze(project=cast.project, by=None).name == "v3"


def test_only_admins_freeze(cast: Cast) -> None:
    label_make(cast.project)
    for person, refusal in (
        (cast.rui, NotAllowedError),
        (cast.ann, NotAllowedError),
        (cast.mallory, NotThereError),
    ):
        with pytest.raises(refusal):
            dataset_freeze(project=cast.project, by=person)
    assert not DatasetVersion.objects.exists()


def test_without_labels_the_refusal_says_what_to_do(cast: Cast) -> None:
    with pytest.raises(BadInputError, match="Label some pictures first") as refusal:
        dataset_freeze(project=cast.project, by=cast.ada)
    assert refusal.value.code == "no_labels"
    item = item_make(cast.project, image=image_make())
    Item.objects.filter(pk=item.pk).update(state="flagged")
    with pytest.raises(BadInputError, match="1 pictures wait for a reviewer"):
        dataset_freeze(project=cast.project, by=cast.ada)
    assert not DatasetVersion.objects.exists()
