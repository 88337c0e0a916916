"""Station 4: a vote is stored once, corrected by a new row, taken back, and never lost."""

from __future__ import annotations

from uuid import uuid4

import pytest

from labeling.annotate import annotation_submit, annotation_withdraw, live_annotations
from labeling.consensus import consensus_settle
from labeling.models import Annotation
from labeling.queue import lease_next
from labeling.review import review_decide, review_queue
from tests.conftest import Cast
from tests.factories import item_make, score_make

pytestmark = pytest.mark.django_db


def test_a_vote_walks_the_stations(cast: Cast) -> None:
    item = item_make(cast.project)
    score_make(item.image, overall=60)
    (slot,) = lease_next(user=cast.ann, project=cast.project)
    key = uuid4()
    vote = annotation_submit(user=cast.ann, assignment_id=slot.pk, key=key, accept=True)
    assert vote.rating == 3
    assert annotation_submit(user=cast.ann, assignment_id=slot.pk, key=key, accept=True) == vote
    better = annotation_submit(
        user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=5, supersedes_id=vote.pk, is_flagged=True
    )
    assert list(live_annotations()) == [better]
    assert consensus_settle(item_id=item.pk).mos == 5
    assert list(review_queue(user=cast.rui, project=cast.project)) == [item]
    review_decide(
        reviewer=cast.rui, item_id=item.pk, decision="return", key=uuid4(), reason="Look at the edge."
    )
    (again,) = lease_next(user=cast.ann, project=cast.project)
    assert again.pk == slot.pk
    third = annotation_submit(user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=2)
    annotation_withdraw(user=cast.ann, annotation_id=third.pk, key=uuid4())
    assert consensus_settle(item_id=item.pk) is None
    assert Annotation.objects.count() == 5
