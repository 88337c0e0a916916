"""An admin gets past the gate by page, but not in silence."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from scoring.dataset import FrozenRow, dataset_store
from scoring.models import Event, ModelVersion, TrainingRun
from scoring.registry import base_model_ensure, serving
from tests.conftest import Cast
from tests.factories import image_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def refused() -> TrainingRun:
    """A retrain whose candidate the gate said no to."""
    base = base_model_ensure()
    model = ModelVersion.objects.create(
        name="fast-9",
        kind="base",
        state="refused",
        feature_version=base.feature_version,
        weights_digest=base.weights_digest,
        verdict={"promote": False, "provisional": True, "reasons": []},
    )
    row = FrozenRow(image_make().pk, "g", "mugs", 50.0, 5.0, 0.04, 2)
    dataset = dataset_store(name="v1", rows=[row], split_seed=0, note="", created_by=None)
    return TrainingRun.objects.create(dataset=dataset, trigger="button", state="evaluated", candidate=model)


def test_the_page_of_a_refused_run_offers_the_way_and_asks_why(
    cast: Cast, client: Client, refused: TrainingRun
) -> None:
    client.force_login(cast.ada)
    page = client.get(reverse("run", args=[refused.pk])).content.decode()
    assert refused.candidate is not None
    assert f'action="{reverse("model-promote", args=[refused.candidate.pk])}"' in page
    assert 'name="reason" required' in page
    assert page.count("csrfmiddlewaretoken") >= 2  # log out, and this form


def test_without_a_word_nothing_changes_and_with_one_it_serves(
    cast: Cast, client: Client, refused: TrainingRun
) -> None:
    client.force_login(cast.ada)
    model = refused.candidate
    assert model is not None
    path = reverse("model-promote", args=[model.pk])
    assert client.post(path, {"reason": " "}).status_code == 422
    assert serving().champion.kind == "base"
    assert serving().champion != model
    assert client.post(path, {"reason": "The labels were shuffled."}).status_code == 302
    assert serving().champion == model
    assert Event.objects.get(verb="promote.promote").after["reason"] == "The labels were shuffled."


def test_nobody_else_gets_past(cast: Cast, client: Client, refused: TrainingRun) -> None:
    assert refused.candidate is not None
    client.force_login(cast.rui)
    path = reverse("model-promote", args=[refused.candidate.pk])
    assert client.post(path, {"reason": "please"}).status_code == 403
    assert serving().champion != refused.candidate
