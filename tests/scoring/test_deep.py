"""A deep retrain from labels to a candidate that serves: on real small pictures, with the shipped network."""

from __future__ import annotations

import sys
from uuid import uuid4

import numpy as np
import pytest
from django.conf import LazySettings
from django.core.files.storage import default_storage

from scoring import deep, deep_candidate, deep_course
from scoring.core.head import CLIP
from scoring.core.metrics import srcc
from scoring.core.splits import CALIBRATION, HOLDOUT, TRAIN
from scoring.dataset import FrozenRow, dataset_store
from scoring.deep import deep_seconds
from scoring.errors import BadInputError
from scoring.models import DatasetVersion, ModelVersion, Score, ScoringJob, StoredFeatures, TrainingRun
from scoring.promote import model_promote, model_roll_back
from scoring.registry import base_model_ensure, encoder_of, head_of, serving
from scoring.rescore import rescore_chunks
from scoring.run_lease import Beat
from scoring.score import score_chunks
from scoring.train import training_cancel, training_execute, training_start, training_sweep
from scoring.trial import fit_on, labels_of_rows
from tests.conftest import Cast
from tests.factories import features_make, image_make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Few labels are enough here, one epoch, a folder of its own."""
    settings.DATA_DIR, settings.DEEP_EPOCHS = tmp_path_factory.mktemp("data"), 1
    monkeypatch.setattr(deep, "FEWEST_TAUGHT", 6)
    monkeypatch.setattr(deep, "FEWEST_HOLDOUT", 4)


def labelled(count: int = 15, *, stored: bool = True, scored: bool = False) -> DatasetVersion:
    """Pictures with votes and features, every third held back."""
    base_model_ensure()
    images = [image_make(stored=stored) for _ in range(count)]
    if scored:
        score_chunks()
    else:
        for image in images:
            features_make(image)
    rng = np.random.default_rng(1)
    rows = [
        FrozenRow(
            image_id=image.pk,
            group=f"mug {number}",
            category="mugs",
            target_score=float(rng.uniform(20, 80)),
            target_std=5.0,
            weight=0.04,
            vote_count=3,
            histogram=(0, 1, 1, 1, 0),
            is_holdout=number % 3 == 0,
        )
        for number, image in enumerate(images)
    ]
    return dataset_store(name=uuid4().hex[:6], rows=rows, split_seed=0, note="", created_by=None)


def started(dataset: DatasetVersion, **options: object) -> TrainingRun:
    return training_start(dataset=dataset, kind="deep", trigger="button", started_by=None, **options)  # type: ignore[arg-type]


def test_it_makes_a_network_that_can_be_tried_served_and_rolled_back(cast: Cast) -> None:
    run = started(labelled(scored=True))
    assert training_execute(run_id=run.pk) == "evaluated"
    run.refresh_from_db()
    model = run.candidate
    assert model is not None
    assert (model.kind, model.parent) == ("deep", base_model_ensure())
    assert model.metrics["rows"] == 5
    assert [set(point) >= {"epoch", "loss", "seconds"} for point in run.curve] == [True]
    assert run.environment["device"] == "cpu"
    assert run.environment["torch"]
    assert not list(deep._folder(run).parent.glob("*"))  # nothing is left to resume
    assert encoder_of(model).exists()
    assert head_of(model).feature_version == model.feature_version != base_model_ensure().feature_version
    assert head_of(model).correction is None  # pictures nearby were nearby by another network

    model_promote(model=model, by=cast.ada, reason="a test of the way it serves")
    while ScoringJob.objects.filter(state="pending").exists():
        score_chunks()
    rescore_chunks()
    row = serving()
    assert row.champion == row.displayed == model
    assert Score.objects.filter(model=model).count() == 15
    scores = dict(Score.objects.filter(model=model).values_list("image_id", "overall_score"))
    before = dict(Score.objects.filter(model__kind="base").values_list("image_id", "overall_score"))
    assert scores != before
    model_roll_back(by=cast.ada)
    assert serving().displayed.kind == "base"


def test_where_a_fast_fit_would_bend_it_still_starts_from_one_that_ranks_the_lessons(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    settings.DEEP_LOSSES = (("mse", 0.5), ("emd", 1.0))
    base, rng = base_model_ensure(), np.random.default_rng(4)
    prior, images = head_of(base), [image_make() for _ in range(90)]
    near = rng.normal(0, 1, (90, 2))
    for image, place in zip(images, near, strict=True):
        features = np.concatenate([place, rng.normal(0, 0.05, len(prior.mean) - 2)])
        features_make(image, vector=(prior.mean + prior.std * features).astype("<f4"))
    height = 50 + 25 * np.tanh(near[:, 0]) + 15 * np.cos(2 * near[:, 1])
    rows = [
        FrozenRow(image.pk, f"mug {n}", "mugs", float(score), 5.0, 0.04, 3, is_holdout=n % 9 == 0)
        for n, (image, score) in enumerate(zip(images, np.clip(height, 0, 100), strict=True))
    ]
    run = started(dataset_store(name="bent", rows=rows, split_seed=0, note="", created_by=None))
    told = labels_of_rows(list(run.dataset.rows.order_by("image_id")), feature_version=base.feature_version)
    assert fit_on(told, told.splits == TRAIN, prior).landmarks is not None

    monkeypatch.setattr(deep, "_views_kept", lambda _folder, kept, _beat: kept)
    deep._prepare(run, deep._folder(run), base, Beat(run, uuid4()))
    course, start, _facts = deep_course.course_read(deep._folder(run))
    assert course.recipe.losses == settings.DEEP_LOSSES
    features = np.clip((course.vectors - start.mean) / start.std, -CLIP, CLIP)
    assert srcc(features @ start.coefficients + start.level, course.targets) > 0.6


def test_views_made_ahead_are_those_made_one_by_one_and_unreadable_pictures_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, token = started(labelled()), uuid4()
    TrainingRun.objects.update(state="running", token=token)
    rows = deep._rows(run.dataset, base_model_ensure())
    image = next(row for row in rows if row.split == TRAIN).image
    default_storage.delete(image.stored_name)
    kept = []
    for place in ("cpu", "cuda"):
        monkeypatch.setattr(deep_course, "best_device", lambda place=place: place)
        folder = deep._folder(run) / place
        taught = deep._views_kept(folder, rows, Beat(run, token))
        kept.append(
            [(row.image_id, (folder / "views" / f"{n}.npz").read_bytes()) for n, row in enumerate(taught)]
        )
    assert kept[0] == kept[1]
    assert len(kept[0]) == sum(row.split in (TRAIN, CALIBRATION) for row in rows) - 1


def test_a_resumed_run_reads_no_picture_again_whose_views_it_has_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, token = started(labelled()), uuid4()
    TrainingRun.objects.update(state="running", token=token)
    rows, folder = deep._rows(run.dataset, base_model_ensure()), deep._folder(run)
    read: list[int] = []
    real = deep._views
    monkeypatch.setattr(deep, "_views", lambda image: (read.append(image.pk), real(image))[1])

    def kept() -> list[int]:
        read.clear()
        return [row.image_id for row in deep._views_kept(folder, rows, Beat(run, token))]

    lessons = kept()
    assert read == lessons
    assert kept() == lessons
    assert read == []
    views_write = deep_course.views_write
    views_write(folder, 4, whole=np.zeros((32, 32, 3), "u1"), crop=np.zeros((32, 32, 3), "u1"), image=-1)
    assert kept() == lessons
    assert read == lessons[4:]  # those after a lesson that is another's are not trusted either


def abandoned(run: TrainingRun) -> None:
    """Its worker fell silent, and the sweeper noticed."""
    TrainingRun.objects.update(lease_until=run.created_at)
    assert training_sweep()["freed"] == 1


def test_a_killed_run_is_taken_up_where_it_stood(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEEP_EPOCHS = 2
    run = started(labelled(), promote=False)
    begun: list[int] = []
    real = deep_course.teach_epoch

    def dying(*args: object, **more: object) -> float:
        begun.append(int(args[5]))  # type: ignore[call-overload]
        if begun == [0, 1]:
            raise SystemExit  # what SIGKILL leaves: a running row, a folder, no word
        return real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(deep_course, "teach_epoch", dying)
    TrainingRun.objects.update(attempts=7)
    with pytest.raises(SystemExit):
        training_execute(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, len(run.curve)) == ("running", 1)
    assert run.attempts == 0  # something was gained, so the death that follows is the first
    abandoned(run)
    with monkeypatch.context() as patched:
        patched.setattr(deep_candidate, "_tried", lambda *args: sys.exit())
        with pytest.raises(SystemExit):
            training_execute(run_id=run.pk)
    abandoned(run)
    monkeypatch.setattr(deep_candidate, "_extracted", None)  # what was made is not made again
    assert training_execute(run_id=run.pk) == "evaluated"
    assert begun == [0, 1, 1]  # the first epoch was not done again
    run.refresh_from_db()
    assert [point["epoch"] for point in run.curve] == [1, 2]
    model = ModelVersion.objects.get(kind="deep")
    kept = StoredFeatures.objects.filter(version=model.feature_version).count()
    assert kept == (15 if model.verdict["promote"] else 0)  # a refused one leaves no features behind


def test_a_cancelled_run_stops_in_the_middle_and_keeps_nothing(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(labelled(), promote=False)
    real = deep_course.course_run

    def cancelled(folder: object, **more: object) -> object:
        training_cancel(run_id=run.pk, by=cast.ada)
        return real(folder, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("scoring.run_lease.BEAT_S", 0)
    monkeypatch.setattr(deep_course, "course_run", cancelled)
    assert training_execute(run_id=run.pk) == "cancelled"
    assert not ModelVersion.objects.filter(kind="deep").exists()
    assert not list(deep._folder(run).parent.glob("*"))


def test_too_few_labels_are_refused_before_anything_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = labelled(12, stored=False)
    monkeypatch.setattr(deep, "FEWEST_HOLDOUT", 30)
    with pytest.raises(BadInputError, match="30 held back") as refusal:
        started(dataset)
    assert refusal.value.code == "too_few_labels"
    assert not TrainingRun.objects.exists()


def test_a_deep_run_is_given_up_only_after_many_deaths_with_nothing_gained() -> None:
    run = started(labelled(stored=False))
    past = run.created_at
    TrainingRun.objects.update(state="running", attempts=7, lease_until=past, token=uuid4())
    assert training_sweep()["freed"] == 1
    TrainingRun.objects.update(state="running", attempts=8, lease_until=past, token=uuid4())
    assert training_sweep()["failed"] == 1


def test_the_estimate_follows_the_last_run_s_own_clock() -> None:
    guess = deep_seconds(labels=1000)
    dataset = labelled(12, stored=False)
    taught = dataset.rows.filter(split=TRAIN).count()
    assert dataset.rows.filter(split=HOLDOUT).count() == 4
    curve = [{"epoch": n, "seconds": 0.01 * taught} for n in (1, 2)]
    TrainingRun.objects.create(kind="deep", state="evaluated", trigger="button", dataset=dataset, curve=curve)
    assert deep_seconds(labels=1000) < guess
    assert deep_seconds(labels=1000) == pytest.approx(1000 * (0.24 + 2 * 0.01 * 0.8 * 0.8125))
