"""A candidate in the shadow scores its share, is never shown, harms nothing, and is compared for an admin."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from scoring import shadow
from scoring.core.checkpoint import WeightsError
from scoring.errors import BadInputError, ConflictError, NotAllowedError
from scoring.models import Event, ModelVersion, Score, ScoringJob, Serving, ShadowScore
from scoring.promote import model_promote
from scoring.registry import base_model_ensure, serving
from scoring.score import displayed_scores, score_chunks
from scoring.shadow import shadow_catch_up, shadow_comparison, shadow_start, shadow_stop
from tests.conftest import Cast
from tests.factories import features_make, image_make, score_make
from tests.scoring.test_train import frozen, labelled_rows, trained

pytestmark = pytest.mark.django_db


@pytest.fixture
def candidate() -> ModelVersion:
    """A retrain that does not serve."""
    model = trained(frozen(labelled_rows(60))).candidate
    assert model is not None
    base = base_model_ensure()
    ModelVersion.objects.filter(pk=model.pk).update(state="candidate")
    ModelVersion.objects.filter(pk=base.pk).update(state="champion")
    Serving.objects.update(champion=base, displayed=base, previous=None)
    model.refresh_from_db()
    return model


def test_what_comes_in_is_scored_beside_the_champion_and_nobody_is_shown_it(
    cast: Cast, candidate: ModelVersion
) -> None:
    shadow_start(model=candidate, share=1.0, by=cast.ada)
    image = image_make(stored=True)
    score_chunks()
    (row,) = ShadowScore.objects.filter(image=image)
    assert row.model == candidate
    assert row.seconds >= row.champion_seconds > 0
    assert not Score.objects.filter(model=candidate).exists()
    assert displayed_scores().get(image=image).model.kind == "base"


def test_only_its_share_is_scored(
    cast: Cast, candidate: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "is_shadowed", lambda pk, *, model_id, share: False)
    shadow_start(model=candidate, share=0.1, by=cast.ada)
    image_make(stored=True)
    score_chunks()
    assert shadow_catch_up() == 0
    assert not ShadowScore.objects.exists()


def test_a_shadow_that_cannot_be_read_ends_and_the_champion_scores_on(
    cast: Cast, candidate: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow_start(model=candidate, share=1.0, by=cast.ada)

    def broken(*args: object, **more: object) -> Path:
        raise WeightsError("it is gone")

    monkeypatch.setattr(shadow, "scores_by", broken)
    image = image_make(stored=True)
    assert score_chunks() == 1
    assert ScoringJob.objects.get(image=image).state == "done"
    assert serving().shadow is None
    assert Event.objects.get(verb="shadow.stop").after == {"reason": "it is gone"}


def test_pictures_that_are_there_already_are_scored_at_once_and_once(
    cast: Cast, candidate: ModelVersion
) -> None:
    shadow_start(model=candidate, share=1.0, by=cast.ada)
    there = Score.objects.filter(model=serving().champion).count()
    assert shadow_catch_up() == there == 60
    assert shadow_catch_up() == 0
    told = shadow_comparison(model=candidate, champion=serving().champion)
    assert told is not None
    assert told.compared.count == 60
    assert told.compared.shift < -10  # these people are stricter than the base model
    furthest = told.differing[0]
    assert abs(furthest.shadow_score - furthest.champion_score) >= abs(told.compared.shift)


def test_promotion_ends_the_shadow_of_who_serves(cast: Cast, candidate: ModelVersion) -> None:
    shadow_start(model=candidate, share=0.5, by=cast.ada)
    model_promote(model=candidate, by=cast.ada)
    assert serving().shadow is None
    with pytest.raises(ConflictError) as refusal:
        shadow_start(model=candidate, share=0.5, by=cast.ada)
    assert refusal.value.code == "serves_already"
    with pytest.raises(IntegrityError, match="the_champion_has_no_shadow_of_its_own"):
        Serving.objects.update(shadow=candidate)


def test_start_and_stop_are_an_admin_s_and_leave_an_event(cast: Cast, candidate: ModelVersion) -> None:
    for person in (cast.rui, cast.ann):
        with pytest.raises(NotAllowedError):
            shadow_start(model=candidate, share=0.5, by=person)
    with pytest.raises(ConflictError):
        shadow_stop(by=cast.ada)
    with pytest.raises(BadInputError):
        shadow_start(model=candidate, share=0, by=cast.ada)
    shadow_start(model=candidate, share=0.5, by=cast.ada)
    shadow_stop(by=cast.ada)
    verbs = Event.objects.filter(verb__startswith="shadow.", actor=cast.ada).values_list("verb", flat=True)
    assert list(verbs.order_by("id")) == ["shadow.start", "shadow.stop"]


def test_the_page_starts_compares_and_ends_it(client: Client, cast: Cast, candidate: ModelVersion) -> None:
    client.force_login(cast.ada)
    page = client.get(reverse("models")).content.decode()
    assert "Try it in the shadow" in page
    client.post(reverse("model-shadow", args=[candidate.pk]), {"percent": "100"})
    assert "It has not scored a picture yet" in client.get(reverse("models")).content.decode()
    image = image_make()
    score_make(image, overall=90)
    features_make(image)
    shadow_catch_up()
    page = client.get(reverse("models")).content.decode()
    assert "Where they differ most" in page
    assert page.count('<circle class="chart-dot"') >= 61
    assert client.post(reverse("model-shadow", args=[candidate.pk]), {"percent": "much"}).status_code == 422
    client.post(reverse("shadow-stop"))
    assert serving().shadow is None
    assert 'id="shadow"' not in client.get(reverse("models")).content.decode()
