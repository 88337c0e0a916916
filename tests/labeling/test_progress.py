"""Home tells the truth: the loop in ten stations, one person's work in six numbers."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from labeling.dataset import dataset_freeze
from labeling.models import Annotation, Assignment, Item, Membership
from labeling.progress import loop_state, my_work, streak_of
from labeling.train import retrain
from scoring.models import ImportJob, ModelVersion, ScoringJob, TrainingRun
from scoring.registry import base_model_ensure
from tests.conftest import Cast
from tests.factories import image_make, item_make, label_make, score_make

pytestmark = pytest.mark.django_db

STATIONS = [
    "ingest",
    "score",
    "queue",
    "annotate",
    "consensus",
    "review",
    "dataset",
    "train",
    "promote",
    "rescore",
]


def counts_of(cast: Cast) -> dict[str, int]:
    return {state.word: state.count for state in loop_state(project=cast.project)}


def waiting_of(cast: Cast) -> set[str]:
    return {state.word for state in loop_state(project=cast.project) if state.is_waiting_for_you}


def vote_make(cast: Cast, item: Item, *, by: str = "ann", rating: int = 4) -> Annotation:
    person = getattr(cast, by)
    slot = Assignment.objects.filter(item=item, state="free").order_by("slot")[0]
    Assignment.objects.filter(pk=slot.pk).update(state="submitted", user=person)
    return Annotation.objects.create(
        item=item, assignment=slot, rater=person, rating=rating, key=uuid4(), body_digest="x"
    )


def test_an_empty_house_waits_for_pictures_and_nothing_else(cast: Cast) -> None:
    states = loop_state(project=cast.project)
    assert [state.word for state in states] == STATIONS
    assert {state.count for state in states} == {0}
    assert waiting_of(cast) == {"ingest"}


def test_an_import_under_way_waits_for_nobody(cast: Cast) -> None:
    ImportJob.objects.create(kind="sample")
    assert waiting_of(cast) == set()


def test_each_station_counts_its_own(cast: Cast) -> None:
    base_model_ensure()
    for _ in range(3):
        score_make(image_make())
    image_make()  # not scored yet
    vote_make(cast, item_make(cast.project))
    item_make(cast.project)
    label_make(cast.project)
    label_make(cast.project, state=Item.State.FLAGGED)
    told = counts_of(cast)
    assert told["ingest"] == 8
    assert told["score"] == told["rescore"] == 3
    assert told["queue"] == 2
    assert told["annotate"] == 1
    assert told["consensus"] == 1
    assert told["review"] == 1
    assert (told["dataset"], told["train"], told["promote"]) == (0, 0, 0)
    assert waiting_of(cast) == {"annotate", "review"}


def test_what_waits_moves_on_from_dataset_to_train_to_promote(cast: Cast) -> None:
    for _ in range(10):
        label_make(cast.project)
    assert waiting_of(cast) == {"dataset"}
    dataset_freeze(project=cast.project, by=cast.ada)
    assert waiting_of(cast) == {"train"}
    run = retrain(project=cast.project, by=cast.ada)
    assert waiting_of(cast) == set()
    candidate = ModelVersion.objects.create(
        name="fast-1", kind="fast", feature_version="f", weights_digest="d"
    )
    TrainingRun.objects.filter(pk=run.pk).update(state="evaluated", candidate=candidate)
    assert waiting_of(cast) == {"promote"}
    label_make(cast.project)
    assert waiting_of(cast) == {"dataset", "promote"}
    assert counts_of(cast) | {"dataset": 1, "train": 1} == counts_of(cast)


def test_scoring_given_up_asks_for_somebody(cast: Cast) -> None:
    ScoringJob.objects.create(image=image_make(), state="failed")
    assert "score" in waiting_of(cast)


def test_the_whole_loop_is_ten_queries(cast: Cast, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    base_model_ensure()
    for _ in range(12):
        label_make(cast.project)
    dataset_freeze(project=cast.project, by=None)
    with django_assert_num_queries(10):
        loop_state(project=cast.project)


def test_my_work_counts_my_live_votes_only(cast: Cast) -> None:
    first, second, third = (item_make(cast.project) for _ in range(3))
    mine = vote_make(cast, first)
    Annotation.objects.create(
        item=first,
        assignment=mine.assignment,
        rater=cast.ann,
        rating=2,
        supersedes=mine,
        key=uuid4(),
        body_digest="x",
    )
    vote_make(cast, second)
    vote_make(cast, first, by="ben")
    vote_make(cast, third, by="ben")
    Item.objects.filter(pk=third.pk).update(returned_to=cast.ben)
    work = my_work(user=cast.ann, project=cast.project)
    assert (work.votes_today, work.votes_total, work.streak_days) == (2, 2, 1)
    assert (work.left, work.returned, work.reviews_waiting) == (1, 0, 0)
    assert my_work(user=cast.ben, project=cast.project).returned == 1


def test_reviews_wait_for_reviewers_but_not_on_their_own_votes(cast: Cast) -> None:
    own, others = item_make(cast.project), item_make(cast.project)
    vote_make(cast, own, by="rui")
    vote_make(cast, others)
    Item.objects.update(state="flagged")
    assert my_work(user=cast.rui, project=cast.project).reviews_waiting == 1
    assert my_work(user=cast.ann, project=cast.project).reviews_waiting == 0
    Membership.objects.filter(user=cast.ann).update(role="reviewer")
    assert my_work(user=cast.ann, project=cast.project).reviews_waiting == 1


def test_a_streak_ends_with_a_day_off_but_not_before_today_is_over() -> None:
    today = date(2026, 3, 10)
    days = [today - timedelta(days=back) for back in (1, 2, 3, 5)]
    assert streak_of(days, today=today) == 3
    assert streak_of([today, *days], today=today) == 4
    assert streak_of(days[1:], today=today) == 0
    assert streak_of([], today=today) == 0


def test_yesterday_s_vote_is_not_today_s(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    vote_make(cast, item_make(cast.project))
    tomorrow = timezone.localdate() + timedelta(days=1)
    monkeypatch.setattr("labeling.progress.timezone.localdate", lambda: tomorrow)
    work = my_work(user=cast.ann, project=cast.project)
    assert (work.votes_today, work.votes_total, work.streak_days) == (0, 1, 1)
