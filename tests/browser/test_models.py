"""Models: a press retrains, the run is watched to its verdict, the catalogue follows, a press goes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from labeling.models import Item
from labeling.train import retrain
from scoring import candidate as candidate_station
from scoring import rescore, run_lease, shadow, train
from scoring.core.types import vote_from_score
from scoring.models import Image, ModelVersion, Serving, TrainingRun
from scoring.registry import base_model_ensure, serving
from scoring.views.runs import STEPS
from tests.browser.conftest import Visits
from tests.conftest import Cast
from tests.factories import label_make
from tests.scoring.test_train import labelled_rows

Check = Callable[[Page, str], None]


def labels(cast: Cast, count: int, **wishes: float) -> None:
    """Finished labels of scored pictures, in the people's room too."""
    rows = labelled_rows(count, **wishes)
    images = Image.objects.in_bulk([row.image_id for row in rows])
    for row in rows:
        mos = vote_from_score(row.target_score)
        label_make(cast.project, mos=mos, std_error=0.2, image=images[row.image_id])


def test_with_too_few_labels_the_page_says_how_many_more(page_of: Visits, cast: Cast, check: Check) -> None:
    base_model_ensure()
    for number in range(7):
        label_make(cast.project, mos=1 + number % 5)
    page = page_of(cast.ada)
    page.goto("/models/")
    expect(
        page.get_by_text("3 more labels and the model can learn: 7 of at least 10 are finished.")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Retrain")).to_be_disabled()
    expect(page.get_by_text("None yet. A retrain makes one")).to_be_visible()
    check(page, "models-first")


def test_a_retrain_is_watched_stage_by_stage_until_everybody_sees_the_new_scores_and_rolled_back(
    page_of: Visits, cast: Cast, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels(cast, 90)
    page = page_of(cast.ada)
    page.goto("/models/")
    page.get_by_role("button", name="Retrain").click()
    run = TrainingRun.objects.get()
    expect(page).to_have_url(f"/runs/{run.pk}/")
    now = page.locator("[aria-current=step]")
    expect(now).to_have_text("Waiting for a worker")
    beat, seen = run_lease.run_beat, []

    def beat_and_look(run: TrainingRun, token: UUID, *, step: str, progress: float) -> None:
        beat(run, token, step=step, progress=progress)
        expect(now).to_have_text(str(STEPS[step]))
        seen.append(step)
        if step == "evaluating":
            expect(page.get_by_text("50 %")).to_be_visible()
            check(page, "run-running")

    for module in (train, candidate_station):
        monkeypatch.setattr(module, "run_beat", beat_and_look)
    train.training_execute(run_id=run.pk)
    assert seen == ["fitting", "evaluating", "judging", "registering"]
    candidate = ModelVersion.objects.get(kind="fast")
    expect(page.get_by_text(f"{candidate.name} is the champion")).to_be_visible()
    expect(page.get_by_text("0 of 90")).to_be_visible()
    monkeypatch.setattr(rescore, "CHUNK", 25)
    rescore.rescore_fill(model=candidate, limit=25)
    expect(page.get_by_text("25 of 90")).to_be_visible()
    assert Serving.objects.get().displayed.kind == "base"
    check(page, "run-rescoring")
    rescore.rescore_chunks()
    expect(page.get_by_text("Everybody sees its scores.")).to_be_visible()
    expect(page.locator("#run-live")).not_to_have_attribute("hx-trigger", "every 1s")
    check(page, "run-done")

    page.get_by_role("link", name="Models").first.click()
    expect(page.get_by_role("heading", name=f"The gate let {candidate.name} pass")).to_be_visible()
    check(page, "models")
    page.get_by_role("link", name=candidate.name, exact=True).first.click()
    expect(page.get_by_role("heading", name="What it cannot do")).to_be_visible()
    check(page, "model-card")
    page.go_back()
    page.get_by_text("Roll back").click()
    check(page, "models-confirm")
    page.get_by_role("button", name="Yes, back to base-").click()
    expect(page.get_by_text("serves again.")).to_be_visible()
    row = Serving.objects.get()
    assert (row.champion.kind, row.displayed.kind) == ("base", "base")


FEW = [{"category": name, "pictures": count, "needed": 10} for name, count in (("lamps", 7), ("", 2))]


def reason(check: str, value: float, low: float, high: float, **rest: Any) -> dict[str, Any]:
    return {"check": check, "value": value, "low": low, "high": high, "detail": "", **rest}


def test_a_model_the_gate_refuses_says_every_reason_and_cannot_be_promoted(
    page_of: Visits, cast: Cast, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels(cast, 40)
    first = retrain(project=cast.project, by=cast.ada)
    train.training_execute(run_id=first.pk)
    worse = ModelVersion.objects.get(run=first)
    reasons = [
        reason("ranking", -0.12, -0.2, -0.05, bar=-0.02, passed=False),
        reason("error", -0.4, -1.0, 0.3, bar=1.0, passed=True),
        reason("categories", 6.1, 2.0, 9.0, bar=4.0, passed=False, detail="mugs"),
    ]
    challenger = ModelVersion.objects.create(
        name="fast-refused",
        kind="fast",
        state="refused",
        feature_version=worse.feature_version,
        weights_digest=worse.weights_digest,
        metrics=worse.metrics,
        verdict={"promote": False, "reasons": reasons, "unjudged": FEW},
    )
    page = page_of(cast.ada)
    page.goto("/models/")
    expect(page.get_by_role("heading", name="The gate refused fast-refused")).to_be_visible()
    expect(
        page.get_by_text(
            "SRCC −0.120 against the champion (95 % interval −0.200 to −0.050); "
            "a loss of more than 0.02 is refused."
        )
    ).to_be_visible()
    expect(page.get_by_text("No category suffers: mugs")).to_be_visible()
    expect(page.get_by_text("not be seen: lamps (7), no category (2).")).to_be_visible()
    expect(page.get_by_role("button", name="Promote")).to_have_count(0)
    check(page, "models-refused")
    ModelVersion.objects.filter(pk=challenger.pk).update(
        state="candidate", verdict={"promote": True, "reasons": []}
    )
    page.reload()
    page.get_by_role("button", name="Promote", exact=True).first.click()
    expect(page.get_by_text("fast-refused is the champion now.")).to_be_visible()
    assert serving().champion_id == challenger.pk


def test_a_waiting_run_is_cancelled_and_changes_nothing(page_of: Visits, cast: Cast) -> None:
    labels(cast, 12)
    run = retrain(project=cast.project, by=cast.ada)
    page = page_of(cast.ada)
    page.goto("/models/")
    expect(page.get_by_role("heading", name=f"Retrain {run.pk}")).to_be_visible()
    page.get_by_role("link", name="Watch").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Stopped. Nothing was changed.")).to_be_visible()
    assert train.training_execute(run_id=run.pk) == "not ours"
    assert ModelVersion.objects.count() == 1


def test_the_page_of_models_follows_a_run_that_ends_without_being_reloaded(
    page_of: Visits, cast: Cast
) -> None:
    labels(cast, 40)
    run = retrain(project=cast.project, by=cast.ada)
    page = page_of(cast.ada)
    page.goto("/models/")
    registry = page.get_by_role("region", name="All models")
    expect(registry.get_by_role("row")).to_have_count(2)
    train.training_execute(run_id=run.pk)
    expect(registry.get_by_role("row")).to_have_count(3)
    rescore.rescore_chunks()
    expect(page.locator("#models-live")).not_to_have_attribute("hx-trigger", "every 1s")
    expect(page.get_by_role("button", name="Retrain")).to_be_visible()


def test_a_run_with_epochs_draws_its_curves_and_a_failed_one_says_why(
    page_of: Visits, cast: Cast, check: Check
) -> None:
    labels(cast, 12)
    run = retrain(project=cast.project, by=cast.ada)
    curve: list[dict[str, Any]] = [
        {"epoch": n, "srcc": 0.5 + 0.04 * n - 0.003 * n * n, "loss": 2 / (n + 1)} for n in range(8)
    ]
    TrainingRun.objects.filter(pk=run.pk).update(
        state="failed", error="The worker ran out of memory.", curve=curve, step="epoch 8 of 20", progress=0.4
    )
    page = page_of(cast.ada)
    page.goto(f"/runs/{run.pk}/")
    expect(page.get_by_text("The worker ran out of memory.")).to_be_visible()
    expect(page.get_by_role("img", name="Loss")).to_be_visible()
    check(page, "run-failed")


def test_a_deep_retrain_is_asked_for_with_its_time_and_watched_epoch_by_epoch(
    page_of: Visits, cast: Cast, check: Check
) -> None:
    labels(cast, 90)
    page = page_of(cast.ada)
    page.goto("/models/")
    page.locator("#deep-retrain").click()
    expect(page.get_by_text("A deep retrain needs 40 labels to learn from")).to_be_visible()
    held = Item.objects.order_by("pk").values_list("pk", flat=True)[:30]
    Item.objects.filter(pk__in=list(held)).update(is_holdout=True)
    page.reload()
    page.locator("#deep-retrain").click()
    expect(page.get_by_text("on one processor core")).to_be_visible()
    check(page, "models-deep")
    page.locator("#deep-start").click()
    expect(page.get_by_text("Deep: fine-tune the network")).to_be_visible()

    run = TrainingRun.objects.get()
    TrainingRun.objects.filter(pk=run.pk).update(
        kind="deep",
        state="running",
        step="training",
        progress=0.4,
        started_at=timezone.now(),
        environment={"torch": "2", "device": "cpu", "epochs": 6},
        curve=[
            {"epoch": 1, "loss": 1.02, "srcc": 0.71, "seconds": 61.0},
            {"epoch": 2, "loss": 0.84, "srcc": 0.76, "seconds": 60.0},
        ],
    )
    page.goto(f"/runs/{run.pk}/")
    expect(page.get_by_text("Training the network: epoch 3 of 6")).to_be_visible()
    expect(page.get_by_role("heading", name="Loss")).to_be_visible()
    expect(page.locator("[aria-current=step]")).to_have_text("Training the network")
    check(page, "run-deep")


def test_a_candidate_runs_in_the_shadow_is_compared_and_ended(
    page_of: Visits, cast: Cast, check: Check
) -> None:
    labels(cast, 90)
    page_of.allow(404)  # the pictures of these rows are not kept, and thumbnails come when scrolled to
    run = retrain(project=cast.project, by=cast.ada)
    TrainingRun.objects.filter(pk=run.pk).update(options={"promote": False})
    train.training_execute(run_id=run.pk)
    page = page_of(cast.ada)
    page.goto("/models/")
    page.get_by_text("Try it in the shadow").click()
    page.get_by_label("Share of what comes in").fill("100")
    page.get_by_role("button", name="Run in the shadow").click()
    expect(page.get_by_text("It has not scored a picture yet.")).to_be_visible()
    assert shadow.shadow_catch_up() == 90
    page.reload()
    expect(page.get_by_role("heading", name="Where they differ most")).to_be_visible()
    expect(page.locator(".shadow-plot circle")).to_have_count(90)
    check(page, "models-shadow")
    page.get_by_role("button", name="End the shadow").click()
    expect(page.get_by_text("The shadow has ended.")).to_be_visible()
    expect(page.locator("#shadow")).to_have_count(0)
