"""Two who change what serves at once: one waits for the other and sees what it did."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction

from scoring.locks import serving_lock
from scoring.models import ModelVersion, Serving
from scoring.registry import base_model_ensure
from scoring.rescore import rescore_settle

pytestmark = pytest.mark.django_db(transaction=True)


def another_model() -> ModelVersion:
    base = base_model_ensure()
    return ModelVersion.objects.create(
        name="other", kind="base", feature_version=base.feature_version, weights_digest=base.weights_digest
    )


def test_whoever_waited_for_a_promotion_sees_its_champion() -> None:
    other = another_model()
    is_asked = threading.Event()

    def wait() -> str:
        try:
            with transaction.atomic():
                is_asked.set()
                return serving_lock().champion.name
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            serving_lock()
            waiting = pool.submit(wait)
            is_asked.wait(5)
            threading.Event().wait(0.3)  # long enough to stand in the row's queue
            Serving.objects.update(champion=other)
        assert waiting.result(timeout=10) == "other"


def test_a_house_without_a_model_has_nothing_to_settle() -> None:
    assert rescore_settle() is False
