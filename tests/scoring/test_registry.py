"""Who serves after an upgrade: a model whose features are still made, or the base that ships."""

import hashlib

import pytest

from scoring import device
from scoring.core.features import FEATURE_CODE
from scoring.errors import NotReadyError
from scoring.explain import heatmap_of
from scoring.instant import models_make_ready
from scoring.models import ModelVersion, ScoringJob, Serving
from scoring.registry import base_model_ensure, models_folder, serving
from scoring.rescore import rescore_settle
from scoring.score import score_chunks
from tests.factories import image_make, score_make

pytestmark = pytest.mark.django_db


def deep_champion(*, code: str, is_kept: bool) -> ModelVersion:
    """A network tuned here that serves, its features made by a release of that code."""
    body = f"encoder {code} {is_kept}".encode()
    digest = hashlib.sha256(body).hexdigest()
    if is_kept:
        models_folder().mkdir(parents=True, exist_ok=True)
        (models_folder() / f"{digest}.safetensors").write_bytes(body)
    base = base_model_ensure()
    ModelVersion.objects.filter(pk=base.pk).update(state=ModelVersion.State.CANDIDATE)
    model = ModelVersion.objects.create(
        name="deep-ours",
        kind=ModelVersion.Kind.DEEP,
        feature_version=f"{code}-{digest[:16]}",
        weights_digest=digest,
        state=ModelVersion.State.CHAMPION,
    )
    Serving.objects.update(champion=model, displayed=model)
    return model


def test_a_network_of_ours_goes_on_serving_where_its_features_are_still_made() -> None:
    model = deep_champion(code=FEATURE_CODE, is_kept=True)
    base_model_ensure()
    assert serving().champion == model


@pytest.mark.parametrize(("code", "is_kept"), [(f"{FEATURE_CODE}0", True), (FEATURE_CODE, False)])
def test_the_base_takes_over_where_they_are_not(code: str, is_kept: bool) -> None:
    model = deep_champion(code=code, is_kept=is_kept)
    base = base_model_ensure()
    assert serving().champion == base
    assert base.feature_version == device.feature_version()
    model.refresh_from_db()
    assert model.state == ModelVersion.State.RETIRED


def test_after_an_upgrade_pictures_are_scored_anew_and_shown_once_all_are() -> None:
    image = image_make(stored=True)
    base = base_model_ensure()
    old = ModelVersion.objects.create(
        name="base-of-before",
        kind="base",
        feature_version="0-before",
        weights_digest="0" * 64,
        state="candidate",
    )
    ModelVersion.objects.filter(pk=base.pk).update(state="candidate")
    ModelVersion.objects.filter(pk=old.pk).update(state="champion")
    Serving.objects.update(champion=old, displayed=old)
    score_make(image, model=old)
    ScoringJob.objects.filter(image=image).update(state="done")

    base_model_ensure()
    assert (serving().champion, serving().displayed) == (base, old)
    models_make_ready()
    with pytest.raises(NotReadyError):
        heatmap_of(image)
    assert score_chunks() == 1
    rescore_settle()
    assert serving().displayed == base
