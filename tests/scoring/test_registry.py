"""Who serves after an upgrade: a model whose features are still made, or the base that ships."""

import hashlib

import pytest

from scoring import device
from scoring.core.features import FEATURE_CODE
from scoring.models import ModelVersion, Serving
from scoring.registry import base_model_ensure, models_folder, serving

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
