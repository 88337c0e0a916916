"""Models and runs: admins only, the gate's answer in words, promote and roll back, honest pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from scoring import device
from scoring.core.promotion import Check
from scoring.duel import champion_when, duel_now
from scoring.kept import Chosen, kept_head
from scoring.models import DatasetRow, DatasetVersion, Event, ModelVersion, Serving, TrainingRun
from scoring.promote import model_promote
from scoring.registry import base_model_ensure, head_of, model_called, models_folder, serving
from scoring.rescore import rescore_chunks
from scoring.verdicts import CHECK_WORDS, reason_words, verdict_lines
from scoring.views.runs import live_of
from tests.conftest import Cast
from tests.factories import image_make, label_make
from tests.scoring.test_train import frozen, labelled_rows, trained

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ada(client: Client, cast: Cast) -> Client:
    client.force_login(cast.ada)
    return client


def candidate_make(name: str = "fast-x", state: str = "candidate", **fields: object) -> ModelVersion:
    """A model that shares the weights of the base."""
    base = base_model_ensure()
    return ModelVersion.objects.create(
        name=name,
        kind="base",
        state=state,
        feature_version=base.feature_version,
        weights_digest=base.weights_digest,
        **fields,
    )


def region(client: Client, address: str, target: str) -> str:
    answer = client.get(address, headers=HTMX | {"HX-Target": target})
    assert answer.status_code == 200
    return answer.content.decode()


def test_everybody_but_an_admin_is_turned_away_and_nothing_serves_anew(client: Client, cast: Cast) -> None:
    model = candidate_make()
    dataset = DatasetVersion.objects.create(name="v1", digest="0" * 64, row_count=40)
    run = TrainingRun.objects.create(dataset=dataset, trigger="button")
    before = serving().champion_id
    pages = [reverse("models"), reverse("model", args=[model.pk]), reverse("run", args=[run.pk])]
    acts = [
        reverse("retrain"),
        reverse("model-promote", args=[model.pk]),
        reverse("model-roll-back"),
        reverse("run-cancel", args=[run.pk]),
    ]
    for person in (cast.ann, cast.rui, cast.mallory):
        client.force_login(person)
        for page in pages:
            assert client.get(page).status_code in (403, 404), (person.username, page)
        for act in acts:
            assert client.post(act).status_code in (403, 404), (person.username, act)
    assert serving().champion_id == before
    assert TrainingRun.objects.get().state == "queued"


def test_a_press_on_retrain_freezes_the_labels_and_leads_to_the_run(ada: Client, cast: Cast) -> None:
    for number in range(10):
        label_make(cast.project, mos=1 + number % 5)
    answer = ada.post(reverse("retrain"))
    run = TrainingRun.objects.get()
    assert answer.url == reverse("run", args=[run.pk])
    assert (run.trigger, run.started_by, run.dataset.row_count) == ("button", cast.ada, 10)
    again = ada.post(reverse("retrain"))
    assert again.status_code == 409
    assert f"run {run.pk}" in again.content.decode()


def test_too_few_labels_are_refused_in_words_that_say_how_many_more(ada: Client, cast: Cast) -> None:
    for number in range(7):
        label_make(cast.project, mos=1 + number % 5)
    assert "<strong>3 more labels</strong>" in ada.get(reverse("models")).content.decode()
    answer = ada.post(reverse("retrain"))
    assert answer.status_code == 422
    assert "Label 3 more." in answer.content.decode()
    assert not TrainingRun.objects.exists()


def test_a_candidate_is_promoted_and_rolled_back_by_a_press_each_and_the_trail_says_by_whom(
    ada: Client, cast: Cast
) -> None:
    base = serving().champion
    model = candidate_make()
    assert ada.post(reverse("model-promote", args=[model.pk])).url == reverse("models")
    assert serving().champion == model
    assert ada.post(reverse("model-roll-back")).url == reverse("models")
    row = serving()
    assert (row.champion, row.displayed) == (base, base)
    trail = Event.objects.filter(verb__in=["promote.promote", "promote.roll_back"]).order_by("pk")
    assert [(event.verb, event.actor) for event in trail] == [
        ("promote.promote", cast.ada),
        ("promote.roll_back", cast.ada),
    ]


def test_only_a_candidate_can_be_promoted(ada: Client) -> None:
    before = serving().champion_id
    model = candidate_make(state="retired")
    assert ada.post(reverse("model-promote", args=[model.pk])).status_code == 409
    assert serving().champion_id == before


def test_weights_that_cannot_be_read_are_a_conflict_in_words_not_a_fault(ada: Client) -> None:
    before = serving().champion_id
    model = ModelVersion.objects.create(
        name="lost", kind="fast", state="candidate", feature_version="1-x", weights_digest="f" * 64
    )
    answer = ada.post(reverse("model-promote", args=[model.pk]))
    assert answer.status_code == 409
    assert "The weights of lost cannot be read" in answer.content.decode()
    assert serving().champion_id == before


def test_with_nobody_before_it_there_is_no_way_back(ada: Client) -> None:
    base_model_ensure()
    assert "Roll back" not in ada.get(reverse("models")).content.decode()
    assert ada.post(reverse("model-roll-back")).status_code == 409


def test_what_is_not_there_is_not_there(ada: Client) -> None:
    assert ada.get(reverse("model", args=[999])).status_code == 404
    assert ada.get(reverse("run", args=[999])).status_code == 404
    assert ada.post(reverse("model-promote", args=[999])).status_code == 404
    assert ada.post(reverse("run-cancel", args=[999])).status_code == 404


def test_the_live_part_of_a_run_asks_again_only_while_something_moves(ada: Client) -> None:
    run = trained(frozen(labelled_rows(90)))
    address = reverse("run", args=[run.pk])
    moving = region(ada, address, "run-live")
    assert moving.lstrip().startswith('<div class="run" id="run-live" hx-get=')
    assert "0 of 90" in moving
    assert "Rescoring" in moving
    assert "<html" not in moving
    rescore_chunks()
    still = region(ada, address, "run-live")
    assert "hx-trigger" not in still
    assert "Everybody sees its scores." in still


def test_the_page_of_models_tells_its_body_to_follow_when_something_changed(ada: Client) -> None:
    run = trained(frozen(labelled_rows(90)))
    address = reverse("models")
    live = ada.get(f"{address}?mark=old", headers=HTMX | {"HX-Target": "models-live"})
    assert live["HX-Trigger"] == "models-changed"
    mark = live.content.decode().split("?mark=")[1].split('"')[0]
    same = ada.get(f"{address}?mark={mark}", headers=HTMX | {"HX-Target": "models-live"})
    assert "HX-Trigger" not in same
    assert run.candidate is not None
    assert f"The gate let {run.candidate.name} pass" in region(ada, address, "models-body")


def test_the_champion_is_shown_beside_the_one_it_replaced_and_a_newer_challenger_beside_the_champion() -> (
    None
):
    base = serving().champion
    assert duel_now(serving=serving()) is None
    run = trained(frozen(labelled_rows(90)))
    won = duel_now(serving=serving())
    assert won is not None
    assert (won.tested, won.against, won.is_won) == (run.candidate, base, True)
    assert won.is_provisional
    newer = candidate_make("fast-newer", state="refused", metrics=won.metrics)
    challenged = duel_now(serving=serving())
    assert challenged is not None
    assert (challenged.tested, challenged.against, challenged.is_won) == (newer, run.candidate, False)
    model_promote(model=base, by=None)
    assert champion_when(newer) == run.candidate


def test_every_check_of_the_gate_has_a_name_and_a_sentence() -> None:
    assert set(CHECK_WORDS) == set(Check)
    for check in Check:
        reason = {
            "check": check,
            "passed": True,
            "value": 0.5,
            "low": 0.4,
            "high": 0.6,
            "bar": 0.3,
            "detail": "",
        }
        assert reason_words(reason).endswith(".")
    (line,) = verdict_lines(
        {"reasons": [reason | {"check": "categories", "detail": "mugs", "value": -0.001}]}
    )
    assert line.name == "No category suffers: mugs"
    assert line.text.startswith("RMSE 0.00 points against the champion")
    assert "90 % of people's scores" in reason_words(reason | {"check": "calibration", "value": 0.8989})
    (unknown,) = verdict_lines({"reasons": [reason | {"check": "moon_phase"}]})
    assert (unknown.name, unknown.text) == ("moon_phase", "Measured 0.500, held to 0.300.")


def test_categories_too_small_to_be_judged_are_named_with_their_pictures_and_what_is_needed() -> None:
    check = {"passed": True, "value": 0.5, "low": 0.4, "high": 0.6, "bar": 0.3, "detail": ""}
    reasons = [check | {"check": name} for name in ("enough_labels", "ranking", "error", "calibration")]
    few = [{"category": name, "pictures": 9 - len(name), "needed": 10} for name in ("mugs", "")]
    lines = verdict_lines({"reasons": reasons, "unjudged": few})
    assert [line.passed for line in lines] == [True, True, True, None, True]
    assert lines[3].name == "Categories not judged"
    assert lines[3].text == (
        "2 categories have fewer pictures to judge by than the 10 each needs, so a loss in one of them would "
        "not be seen: mugs (5), no category (9)."
    )
    many = [{"category": f"c{k}", "pictures": 1, "needed": 10} for k in range(60)]
    assert verdict_lines({"unjudged": many})[0].text.endswith("c38 (1), c39 (1), 20 more.")
    assert verdict_lines({"reasons": reasons, "unjudged": []}) == verdict_lines({"reasons": reasons})


def test_where_a_models_weights_lie_is_told_with_the_pictures_that_taught_it() -> None:
    rows = labelled_rows(14)
    model = trained(frozen([replace(row, is_holdout=True) for row in rows[:4]] + rows[4:])).candidate
    assert model is not None
    told = StringIO()
    call_command("weights", model.name, stdout=told)
    chosen = Chosen.from_json(told.getvalue())
    assert chosen.model.name == model.name
    assert chosen.model.encoder == device.BASE_WEIGHTS
    vector = np.ones((1, len(head_of(model).mean)), dtype=np.float32)
    assert chosen.model.head().predict(vector).overall == head_of(model).predict(vector).overall
    splits = dict(DatasetRow.objects.filter(dataset=model.dataset).values_list("image__digest", "split"))
    assert chosen.taught == {digest for digest, split in splits.items() if split != "holdout"}
    assert 0 < len(chosen.taught) < 14
    assert model_called("champion") == serving().champion
    with pytest.raises(CommandError, match="There is no model fast-x"):
        call_command("weights", "fast-x")
    (models_folder() / f"{model.weights_digest}.safetensors").unlink()
    kept_head.cache_clear()
    with pytest.raises(CommandError, match="There are no weights"):
        call_command("weights", model.name)


def test_the_time_left_is_told_only_once_it_can_be_guessed() -> None:
    dataset = DatasetVersion.objects.create(name="v1", digest="0" * 64, row_count=40)
    run = TrainingRun(dataset=dataset, trigger="button", state="running", step="loading", progress=0.02)
    run.started_at = timezone.now() - timedelta(seconds=10)
    assert live_of(run).left_s is None
    run.progress, run.step = 0.5, "evaluating"
    left = live_of(run).left_s
    assert left is not None
    assert left == pytest.approx(10, abs=1)
    run.step = "epoch 3 of 20"
    assert (live_of(run).step, live_of(run).steps) == ("epoch 3 of 20", [])
    run.progress = 7.0
    assert live_of(run).percent == 100


def test_the_pages_take_the_same_number_of_queries_however_many_models_there_are(ada: Client) -> None:
    trained(frozen(labelled_rows(12)))
    counts = []
    for more in (1, 8):
        for number in range(more):
            dataset = DatasetVersion.objects.create(
                name=f"{more}-{number}", digest=f"{more}{number}", row_count=1
            )
            model = candidate_make(f"m{more}-{number}", dataset=dataset)
            TrainingRun.objects.create(dataset=dataset, trigger="button", state="evaluated", candidate=model)
            image_make()
        with CaptureQueriesContext(connection) as queries:
            assert ada.get(reverse("models")).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[1] <= 23


def test_a_models_card_says_what_it_learned_from_and_how_it_was_tried(ada: Client) -> None:
    run = trained(frozen(labelled_rows(90)))
    assert run.candidate is not None
    card = ada.get(reverse("model", args=[run.candidate.pk])).content.decode()
    for words in (
        "90 labels of your own pictures",
        "by cross-validation",
        "What it cannot do",
        "Became champion",
    ):
        assert words in card, words
    base = ada.get(reverse("model", args=[Serving.objects.get().displayed_id])).content.decode()
    assert "None of your own labels." in base


def test_a_category_the_gate_passed_over_stands_wherever_its_verdict_does(ada: Client) -> None:
    rows = labelled_rows(30)
    run = trained(frozen([replace(row, category="lamps") for row in rows[:4]] + rows[4:]))
    assert run.candidate is not None
    model = run.candidate.pk
    pages = (reverse("models"), reverse("model", args=[model]), reverse("run", args=[run.pk]))
    assert all("lamps (4)" in ada.get(page).content.decode() for page in pages)
    api = ada.get(f"/api/v1/models/{model}/").json()
    assert api["verdict"]["unjudged"] == [{"category": "lamps", "pictures": 4, "needed": 10}]
    event = Event.objects.get(verb="train.evaluated")
    assert (event.after["too_few_to_judge"], event.after["needed_to_judge"]) == ({"lamps": 4}, 10)


def test_the_card_comes_as_markdown_with_what_the_run_was_made_by(ada: Client) -> None:
    rows = labelled_rows(90)
    run = trained(frozen([replace(rows[0], category="<b>|x"), *rows[1:]]))
    model = run.candidate
    assert model is not None
    told = ada.get(reverse("model-card", args=[model.pk]))
    assert told["Content-Type"].startswith("text/markdown")
    assert told["Content-Disposition"] == f'attachment; filename="model-{model.pk}.md"'
    text = told.content.decode()
    for words in (
        f"# {model.name}",
        "## What it learned from",
        ["", " SRCC (higher is better) ", ""][1],
        f"| {model.name} | ",
        "✓ **Enough labels**",
        f"`{model.weights_digest}`",
        f"| Made by | Retrain {run.pk} |",
        "| numpy | ",
        "\\<b\\>\\|x: 1",
        "– **Categories not judged**",
        "not be seen: \\<b\\>\\|x (1).",
    ):
        assert words in text, words
    assert ada.get(reverse("model-card", args=[base_model_ensure().pk])).status_code == 200
    assert ada.get(reverse("model-card", args=[10**6])).status_code == 404
