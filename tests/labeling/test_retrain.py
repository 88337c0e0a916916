"""Station 8, the people's half: who may start a retrain, on what, and when a rule does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import Consensus, Project
from labeling.train import newest_run, retrain, retrain_by_rule, rule_due
from scoring.errors import BadInputError, ConflictError, NotAllowedError, NotThereError
from scoring.models import DatasetVersion, TrainingRun
from tests.conftest import Cast
from tests.factories import label_make

pytestmark = pytest.mark.django_db


def labels(project: Project, count: int, *, mos: float = 3.0) -> None:
    for _ in range(count):
        label_make(project, mos=mos)


def with_rule(project: Project, *, every_labels: int = 0, every_hours: int = 0) -> None:
    Project.objects.filter(pk=project.pk).update(
        retrain_every_labels=every_labels, retrain_every_hours=every_hours
    )


def end_runs(*, hours_ago: float = 0.0) -> None:
    TrainingRun.objects.update(state="evaluated", created_at=timezone.now() - timedelta(hours=hours_ago))


def test_a_retrain_freezes_what_is_finished_and_queues_a_run(cast: Cast) -> None:
    labels(cast.project, 10)
    run = retrain(project=cast.project, by=cast.ada)
    assert (run.state, run.kind, run.trigger, run.started_by) == ("queued", "fast", "button", cast.ada)
    assert run.dataset.row_count == 10
    assert newest_run(project=cast.project) == run


def test_unchanged_labels_are_not_frozen_twice(cast: Cast) -> None:
    labels(cast.project, 10)
    first = retrain(project=cast.project, by=cast.ada)
    end_runs()
    second = retrain(project=cast.project, by=cast.ada)
    assert second.pk != first.pk
    assert second.dataset_id == first.dataset_id
    assert DatasetVersion.objects.count() == 1


def test_too_few_labels_are_refused_with_how_many_are_missing(cast: Cast) -> None:
    labels(cast.project, 7)
    with pytest.raises(BadInputError, match=r"needs 10 finished labels; there are 7 so far\. Label 3 more"):
        retrain(project=cast.project, by=cast.ada)
    assert not TrainingRun.objects.exists()
    assert not DatasetVersion.objects.exists()


def test_no_label_at_all_is_refused_in_words(cast: Cast) -> None:
    with pytest.raises(BadInputError, match="Label some pictures first"):
        retrain(project=cast.project, by=cast.ada)


def test_a_second_retrain_does_not_wait_beside_the_first(cast: Cast) -> None:
    labels(cast.project, 10)
    retrain(project=cast.project, by=cast.ada)
    with pytest.raises(ConflictError) as refusal:
        retrain(project=cast.project, by=cast.ada)
    assert refusal.value.code == "already_queued"
    assert TrainingRun.objects.count() == 1


def test_a_kind_nobody_offers_is_refused(cast: Cast) -> None:
    labels(cast.project, 10)
    with pytest.raises(BadInputError) as refusal:
        retrain(project=cast.project, by=cast.ada, kind="huge")
    assert refusal.value.code == "unknown_kind"
    assert not TrainingRun.objects.exists()


def test_the_page_says_why_there_can_be_no_deep_retrain_yet(client: Client, cast: Cast) -> None:
    labels(cast.project, 12)
    client.force_login(cast.ada)
    page = client.get(reverse("models")).content.decode()
    assert 'id="deep-retrain"' in page
    assert "A deep retrain needs 40 labels to learn from" in page
    assert 'id="deep-start"' not in page
    told = client.post(reverse("retrain"), {"kind": "deep"})
    assert told.status_code == 422
    assert "A deep retrain needs 40 labels to learn from" in told.content.decode()
    assert not TrainingRun.objects.exists()


def test_only_admins_retrain(cast: Cast) -> None:
    labels(cast.project, 10)
    for person, refusal in (
        (cast.rui, NotAllowedError),
        (cast.ann, NotAllowedError),
        (cast.mallory, NotThereError),
    ):
        with pytest.raises(refusal):
            retrain(project=cast.project, by=person)
    assert not TrainingRun.objects.exists()


def test_without_a_rule_nothing_starts(cast: Cast) -> None:
    labels(cast.project, 30)
    assert retrain_by_rule() == {"started": 0}
    assert not TrainingRun.objects.exists()


def test_so_many_new_labels_start_a_retrain_and_then_it_waits_for_as_many_again(cast: Cast) -> None:
    with_rule(cast.project, every_labels=12)
    labels(cast.project, 11)
    assert retrain_by_rule() == {"started": 0}
    labels(cast.project, 1)
    assert retrain_by_rule() == {"started": 1}
    run = TrainingRun.objects.get()
    assert (run.trigger, run.started_by, run.dataset.row_count) == ("labels", None, 12)
    end_runs()
    labels(cast.project, 11)
    assert retrain_by_rule() == {"started": 0}
    labels(cast.project, 1)
    assert retrain_by_rule() == {"started": 1}


def test_the_clock_starts_a_retrain_only_when_there_is_something_new(cast: Cast) -> None:
    with_rule(cast.project, every_hours=6)
    labels(cast.project, 10)
    assert retrain_by_rule() == {"started": 0}  # the project is younger than six hours
    Project.objects.update(created_at=timezone.now() - timedelta(hours=7))
    assert retrain_by_rule() == {"started": 1}
    assert TrainingRun.objects.get().trigger == "schedule"
    end_runs(hours_ago=7)
    assert retrain_by_rule() == {"started": 0}  # nothing new
    labels(cast.project, 1)
    assert retrain_by_rule() == {"started": 1}


def test_a_rule_is_quiet_while_a_run_waits_or_labels_are_too_few(cast: Cast) -> None:
    with_rule(cast.project, every_labels=5)
    labels(cast.project, 5)
    assert retrain_by_rule() == {"started": 0}  # five are too few to learn from
    labels(cast.project, 5)
    retrain(project=cast.project, by=cast.ada)
    labels(cast.project, 5)
    project = Project.objects.get(pk=cast.project.pk)
    assert rule_due(project=project) == "labels"
    assert retrain_by_rule() == {"started": 0}
    assert TrainingRun.objects.count() == 1


def test_labels_that_changed_and_changed_back_start_nothing(cast: Cast) -> None:
    with_rule(cast.project, every_labels=10)
    labels(cast.project, 10)
    assert retrain_by_rule() == {"started": 1}
    end_runs()
    Consensus.objects.update(settled_at=timezone.now() + timedelta(seconds=1))
    assert retrain_by_rule() == {"started": 0}
    assert TrainingRun.objects.count() == 1


def test_one_project_s_run_does_not_count_for_another(cast: Cast) -> None:
    labels(cast.project, 10)
    retrain(project=cast.project, by=cast.ada)
    end_runs()
    other = Project.objects.create(name="Shoes", retrain_every_labels=10)
    labels(other, 10, mos=4.0)
    assert retrain_by_rule() == {"started": 1}
    assert newest_run(project=other) != newest_run(project=cast.project)


def test_a_retrain_from_the_page_or_the_api_can_leave_a_passing_model_to_a_person(
    client: Client, cast: Cast
) -> None:
    labels(cast.project, 10)
    client.force_login(cast.ada)
    page = client.get(reverse("models")).content.decode()
    assert 'name="hold"' in page
    for hold, promote in (({"hold": "on"}, False), ({}, True)):
        client.post(reverse("retrain"), hold)
        run = newest_run(project=cast.project)
        assert run is not None
        assert run.options["promote"] is promote
        end_runs()
    answer = client.post("/api/v1/training-runs/", {"promote": False}, content_type="application/json")
    assert answer.status_code == 201
    assert TrainingRun.objects.get(pk=answer.json()["id"]).options["promote"] is False


def test_the_page_says_when_it_retrains_by_itself(client: Client, cast: Cast) -> None:
    client.force_login(cast.ada)
    assert "Never by itself" in client.get(reverse("models")).content.decode()
    with_rule(cast.project, every_labels=50)
    assert "By itself: after 50 new labels." in client.get(reverse("models")).content.decode()
    with_rule(cast.project, every_labels=50, every_hours=24)
    assert "and every 24 hours" in client.get(reverse("models")).content.decode()


def test_labels_stay_new_for_the_page_until_a_retrain_got_through(client: Client, cast: Cast) -> None:
    labels(cast.project, 10)
    client.force_login(cast.ada)
    retrain(project=cast.project, by=cast.ada)
    for state, words in (("cancelled", "10 of them new"), ("evaluated", "0 of them new")):
        TrainingRun.objects.update(state=state)
        assert words in client.get(reverse("models")).content.decode()
