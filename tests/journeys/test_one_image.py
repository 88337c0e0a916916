"""One picture walks through all ten stations, with the real network and the workers' own functions."""

from __future__ import annotations

from uuid import uuid4

import pytest
from celery import current_app

from iqa_site.celery import app
from labeling.annotate import annotation_submit
from labeling.models import Annotation, Assignment, Consensus, Item, Review
from labeling.ordering import reorder_due
from labeling.progress import loop_state, my_work
from labeling.queue import lease_next
from labeling.review import review_decide, review_queue
from labeling.train import retrain
from scoring.core.types import nearest_vote
from scoring.ingest import import_start
from scoring.models import DatasetRow, Event, Image, ImportRow, ModelVersion, Score, TrainingRun
from scoring.promote import model_roll_back
from scoring.registry import base_model_ensure, serving
from scoring.score import scores_of
from tests.conftest import Cast
from tests.factories import jpeg_bytes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]

PICTURES = 14


def worker_does(task: str, *args: int) -> dict[str, object]:
    """What a worker does when it is woken for a task."""
    app.loader.import_default_modules()
    return dict(current_app.tasks[task](*args))


def test_one_image_through_ten_stations(cast: Cast) -> None:
    base = base_model_ensure()
    hero = ingest(cast)
    score(hero, base)
    item = queue(cast, hero)
    annotate_and_settle(cast)
    review(cast, item)
    run = dataset_and_train(cast, hero)
    promote_and_rescore(cast, hero, run, base)
    loop_is_told(cast)


def ingest(cast: Cast) -> Image:
    """1: bytes come in, pass the gate in a child process, and are stored without metadata."""
    uploads = [(f"mug-{n}.jpg", jpeg_bytes(500 + n)) for n in range(PICTURES)]
    job = import_start(
        kind="upload", created_by=cast.ada, uploads=[*uploads, ("broken.jpg", b"not a picture")]
    )
    while ImportRow.objects.filter(job=job, state="pending").exists():
        worker_does("ingest.run", job.pk)
    assert Image.objects.count() == PICTURES
    refused = ImportRow.objects.get(job=job, state="refused")
    assert (refused.reference, bool(refused.reason)) == ("broken.jpg", True)
    return Image.objects.get(name="mug-0.jpg")


def score(hero: Image, base: ModelVersion) -> None:
    """2: the network looks at every picture; features stay for the retrain."""
    assert worker_does("score.chunks") == {"scored": PICTURES}
    row = Score.objects.get(image=hero, model=base)
    assert 0 <= row.interval_low <= row.overall_score <= row.interval_high <= 100
    assert hero.features.get().version == base.feature_version


def queue(cast: Cast, hero: Image) -> Item:
    """3: the clock fills the queue and puts it in order; nobody presses anything."""
    told = worker_does("maintenance.queue_reorder")
    assert told["filled"] == PICTURES
    assert Assignment.objects.filter(state="free").count() == PICTURES * cast.project.overlap
    return Item.objects.get(project=cast.project, image=hero)


def annotate_and_settle(cast: Cast) -> None:
    """4 and 5: two people find every picture a grade worse than the model does; the hero gets a flag."""
    for person in (cast.ann, cast.ben):
        while leased := lease_next(user=person, project=cast.project):
            (slot,) = leased
            shown = scores_of(image_ids=[slot.item.image_id])[slot.item.image_id].overall_score
            is_hero = slot.item.image.name == "mug-0.jpg" and person == cast.ben
            annotation_submit(
                user=person,
                assignment_id=slot.pk,
                key=uuid4(),
                rating=max(1, nearest_vote(shown) - 1),
                is_flagged=is_hero,
                note="A fly on it" if is_hero else "",
                duration_ms=2500,
            )
            worker_does("maintenance.consensus_settle")
    assert Annotation.objects.count() == 2 * PICTURES
    assert Consensus.objects.count() == PICTURES
    assert not Item.objects.filter(state="open").exists()


def review(cast: Cast, item: Item) -> None:
    """6: the flagged picture waits for the reviewer, who approves it."""
    flagged = list(review_queue(user=cast.rui, project=cast.project))
    assert item in flagged
    for each in flagged:
        review_decide(
            reviewer=cast.rui, item_id=each.pk, decision="approve", key=uuid4(), version=each.version
        )
    item.refresh_from_db()
    assert item.state == "approved"
    assert Review.objects.filter(item=item, reviewer=cast.rui).count() == 1


def dataset_and_train(cast: Cast, hero: Image) -> TrainingRun:
    """7 and 8: labels are frozen under a digest, a worker fits a candidate and the gate judges it."""
    run = retrain(project=cast.project, by=cast.ada)
    assert run.dataset.row_count == PICTURES
    label = Consensus.objects.get(item__image=hero)
    assert DatasetRow.objects.get(dataset=run.dataset, image=hero).target_score == pytest.approx(
        label.mos_score, abs=1e-3
    )
    assert worker_does("train.run", run.pk) == {"state": "evaluated"}
    run.refresh_from_db()
    assert run.candidate is not None
    return run


def promote_and_rescore(cast: Cast, hero: Image, run: TrainingRun, base: ModelVersion) -> None:
    """9 and 10: the candidate serves, the catalogue is scored anew, the queue is old, and all can go back."""
    candidate = run.candidate
    assert candidate is not None
    assert candidate.verdict["promote"] is True, [r for r in candidate.verdict["reasons"] if not r["passed"]]
    assert candidate.verdict["provisional"] is True
    assert (serving().champion, serving().displayed) == (candidate, base)
    before = Score.objects.get(image=hero, model=base).overall_score
    assert worker_does("rescore.chunks") == {"scored": PICTURES}
    assert serving().displayed == candidate
    after = scores_of(image_ids=[hero.pk])[hero.pk].overall_score
    assert after < before - 10  # people said a grade less, that is 25 points
    assert reorder_due(project=cast.project)
    model_roll_back(by=cast.ada)
    assert scores_of(image_ids=[hero.pk])[hero.pk].overall_score == before


def loop_is_told(cast: Cast) -> None:
    """Home and the audit trail know all of it."""
    told = {state.word: state.count for state in loop_state(project=cast.project)}
    assert told["ingest"] == told["score"] == told["consensus"] == PICTURES
    assert (told["queue"], told["annotate"], told["review"]) == (0, 2 * PICTURES, 0)
    assert (told["dataset"], told["train"], told["promote"]) == (1, 1, 1)
    assert my_work(user=cast.ann, project=cast.project).votes_total == PICTURES
    verbs = set(Event.objects.values_list("verb", flat=True))
    assert {
        "ingest.start",
        "annotate.submit",
        "dataset.freeze",
        "train.start",
        "train.evaluated",
        "promote.promote",
        "promote.roll_back",
    } <= verbs
