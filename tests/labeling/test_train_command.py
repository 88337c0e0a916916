"""``vitrine train`` freezes what people have labelled, or says in plain words why it cannot."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from labeling.models import Consensus, Project
from labeling.train import newest_run
from scoring.models import DatasetVersion, TrainingRun
from scoring.train import training_execute
from tests.conftest import Cast
from tests.factories import features_make, item_make, score_make

pytestmark = pytest.mark.django_db


def labelled(project: Project, count: int) -> None:
    for number in range(count):
        item = item_make(project)
        score_make(item.image)
        features_make(item.image, seed=number)
        item.state = "settled"
        item.save()
        mos = 1 + number % 5
        Consensus.objects.create(
            item=item,
            mos=mos,
            mos_score=(mos - 1) * 25.0,
            std_error=0.3,
            ci_low=mos - 0.5,
            ci_high=mos + 0.5,
            vote_count=2,
            histogram=[0, 0, 0, 0, 0],
        )


def told(*words: str) -> str:
    out = StringIO()
    call_command("train", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def _worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's part is done while the command waits."""

    def work(_: float) -> None:
        for run in TrainingRun.objects.filter(state="queued"):
            training_execute(run_id=run.pk)

    monkeypatch.setattr("labeling.management.commands.train.time.sleep", work)


@pytest.mark.usefixtures("_worker")
def test_labels_are_frozen_and_the_verdict_is_told_check_by_check(cast: Cast) -> None:
    labelled(cast.project, 12)
    said = told("--no-promote")
    dataset = DatasetVersion.objects.get()
    assert dataset.row_count == 12
    assert TrainingRun.objects.get().trigger == "command"
    assert "enough_labels" in said
    assert said.splitlines()[0].endswith((": passed the gate", ": refused"))


@pytest.mark.usefixtures("_worker")
def test_a_frozen_version_is_taken_as_it_is(cast: Cast) -> None:
    labelled(cast.project, 12)
    told("--no-promote")
    name = DatasetVersion.objects.get().name
    labelled(cast.project, 3)
    told("--no-promote", "--dataset", name)
    assert DatasetVersion.objects.count() == 1
    assert TrainingRun.objects.count() == 2


@pytest.mark.usefixtures("_worker")
def test_a_deep_retrain_is_the_row_that_the_page_would_make(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled(cast.project, 12)
    with pytest.raises(CommandError, match=r"A deep retrain needs \d+ labels to learn from"):
        told("--kind", "deep")
    assert not TrainingRun.objects.exists()
    monkeypatch.setattr("scoring.deep.FEWEST_TAUGHT", 1)
    monkeypatch.setattr("scoring.deep.FEWEST_HOLDOUT", 0)
    monkeypatch.setattr("labeling.management.commands.train.time.sleep", _interrupted)
    with pytest.raises(CommandError, match="goes on whenever the house runs"):
        told("--kind", "deep", "--seed", "3", "--no-promote")
    run = TrainingRun.objects.get()
    assert (run.kind, run.trigger, run.state, run.seed) == ("deep", "command", "queued", 3)
    assert run == newest_run(project=cast.project)  # found again by the project's own rules
    assert run.options["promote"] is False


def _interrupted(_: float) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "Nobody has voted yet"),
        (("--dataset", "v9"), "no dataset v9"),
        (("--project", "Elsewhere"), "no project Elsewhere"),
    ],
)
def test_what_is_missing_is_said(cast: Cast, words: tuple[str, ...], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        told(*words)
    assert not TrainingRun.objects.exists()


def test_a_house_without_a_project_says_so(db: None) -> None:
    with pytest.raises(CommandError, match="no project"):
        told()
