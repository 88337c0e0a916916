"""The audit page finds acts, takes them away as a file, and says for whom the model is worse."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import numpy as np
import pytest
from django.core.cache import cache
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from scoring.audit import By, drift_now, drift_watch, events_found, fairness_now
from scoring.calibration import calibration_now
from scoring.dataset import FrozenRow, dataset_store
from scoring.events import event_note
from scoring.models import Event, Image, Product, Score
from scoring.registry import base_model_ensure, serving
from tests.conftest import Cast
from tests.factories import features_make, image_make, score_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client, cast: Cast) -> Client:
    client.force_login(cast.ada)
    return client


def acts(cast: Cast) -> None:
    event_note(actor=cast.ann, verb="annotate.submit", after={"rating": 4})
    event_note(actor=cast.ada, verb="ingest.start", target=cast.project, after={"label": "=shop"})
    event_note(actor=None, verb="annotate.withdraw")


def test_acts_are_found_by_person_act_station_target_and_day(cast: Cast) -> None:
    acts(cast)
    today = timezone.localdate()
    assert [e.verb for e in events_found(person="ann")] == ["annotate.submit"]
    assert [e.verb for e in events_found(verb="annotate")] == ["annotate.withdraw", "annotate.submit"]
    assert [e.verb for e in events_found(verb="ingest.start")] == ["ingest.start"]
    assert [e.verb for e in events_found(target=f"project {cast.project.pk}")] == ["ingest.start"]
    assert not events_found(target="project 99999999999999999999999999")
    assert events_found(since=today, until=today).count() == 3
    assert not events_found(until=today - timedelta(days=1))


@pytest.mark.parametrize(
    "query",
    [
        "verb=x",
        "since=yesterday",
        "person=%00",
        "target=%00",
        "page=9999",
        "show=nothing",
        "until=0001-01-01",
    ],
)
def test_filters_that_cannot_be_read_find_nothing_and_break_nothing(ada: Client, query: str) -> None:
    assert ada.get(f"{reverse('audit')}?{query}").status_code == 200
    assert ada.get(f"{reverse('audit-events')}?{query}").status_code == 200


def test_the_filtered_trail_goes_out_as_a_file_no_spreadsheet_runs(ada: Client, cast: Cast) -> None:
    acts(cast)
    answer = ada.get(reverse("audit-events"), {"verb": "ingest"})
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [(row["person"], row["act"], row["target"]) for row in rows] == [
        ("ada", "ingest.start", "project")
    ]
    assert "ada" in ada.get(reverse("audit")).content.decode()


def test_everybody_but_an_admin_is_turned_away(client: Client, cast: Cast) -> None:
    for person in (cast.ann, cast.rui, cast.mallory):
        client.force_login(person)
        assert client.get(reverse("audit")).status_code in (403, 404)
        assert client.get(reverse("audit-events")).status_code in (403, 404)


def judged(categories: dict[str, float], *, count: int = 12, is_holdout: bool = False) -> None:
    """Labels of 60 in each category, scored off by so many points."""
    base_model_ensure()
    rows = []
    for category, gap in categories.items():
        for number in range(count):
            image = image_make(category=category)
            score_make(image, overall=60 + gap)
            rows.append(
                FrozenRow(
                    image_id=image.pk,
                    group=f"{category} {number}",
                    category=category,
                    target_score=60.0 + number % 2,
                    target_std=5.0,
                    weight=0.04,
                    vote_count=3,
                    is_holdout=is_holdout,
                )
            )
    dataset_store(name="v1", rows=rows, split_seed=0, note="", created_by=None)


def test_a_category_the_model_is_worse_for_stands_out(ada: Client) -> None:
    judged({"mugs": 0.0, "shoes": -20.0})
    fairness = fairness_now()
    assert fairness is not None
    assert fairness.is_taught
    figures = {group.group: group for group in fairness.table.groups}
    assert figures["mugs"].mean_absolute_error.value == pytest.approx(0.5)
    assert figures["shoes"].bias.value == pytest.approx(-20.5)
    assert fairness.table.error_gap == pytest.approx(20.0)
    page = ada.get(reverse("audit"), {"show": "fairness"}).content.decode()
    assert "its errors look smaller than they are" in page
    assert "shoes" in page


def test_sellers_and_backgrounds_are_judged_as_well(ada: Client) -> None:
    judged({"mugs": 0.0, "shoes": -20.0})
    Product.objects.filter(category="shoes").update(seller="acme")
    for image in Image.objects.select_related("product"):
        features = features_make(image)
        is_white = image.product.category == "mugs"
        features.measures = {"background_white_share": 0.95 if is_white else 0.1, "background_is_plain": 0.0}
        features.save()
    for by, groups in ((By.SELLER, {"", "acme"}), (By.BACKGROUND, {"white", "busy"})):
        fairness = fairness_now(by=by)
        assert fairness is not None
        assert {group.group for group in fairness.table.groups} == groups
        assert fairness.table.bias_gap == pytest.approx(20.0)
    page = ada.get(reverse("audit"), {"show": "fairness", "by": "seller"}).content.decode()
    assert "acme" in page
    assert "busy" in ada.get(reverse("audit"), {"show": "fairness", "by": "background"}).content.decode()
    assert ada.get(reverse("audit"), {"show": "fairness", "by": "shoe size"}).status_code == 200


def test_intervals_that_do_not_keep_their_word_are_named_overall_and_by_category(ada: Client) -> None:
    judged({"mugs": 0.0, "shoes": -20.0}, count=16, is_holdout=True)
    Score.objects.update(interval_low=F("overall_score") - 10, interval_high=F("overall_score") + 10)
    found = calibration_now()
    assert found is not None
    assert (found.rows, found.is_taught) == (32, False)
    assert found.shown.value == 0.5
    assert {one.group: one.kept.value for one in found.groups} == {"mugs": 1.0, "shoes": 0.0}
    page = ada.get(reverse("audit"), {"show": "calibration"}).content.decode()
    assert "intervals are too narrow" in page
    assert "50 %</strong> of people's scores" in page
    Score.objects.update(interval_low=F("overall_score") - 30, interval_high=F("overall_score") + 30)
    assert "too narrow" not in ada.get(reverse("audit"), {"show": "calibration"}).content.decode()


def test_with_enough_held_back_labels_only_those_are_judged(cast: Cast) -> None:
    judged({"mugs": 0.0, "shoes": 1.0}, count=16, is_holdout=True)
    fairness = fairness_now()
    assert fairness is not None
    assert (fairness.is_taught, fairness.rows) == (False, 32)


def test_without_labels_the_page_says_what_is_missing(ada: Client) -> None:
    base_model_ensure()
    assert fairness_now() is None
    assert calibration_now() is None
    for part in ("fairness", "calibration"):
        assert "ten scored labels" in ada.get(reverse("audit"), {"show": part}).content.decode()


def test_one_group_alone_has_no_gap_to_tell_of(ada: Client) -> None:
    judged({"mugs": 4.0})
    page = ada.get(reverse("audit"), {"show": "fairness"}).content.decode()
    assert "All pictures" in page
    assert "Widest gap" not in page


def test_with_too_few_pictures_drift_says_how_many_it_takes_and_lists_no_empty_figures(ada: Client) -> None:
    serving()
    for _ in range(3):
        features_make(image_make())
    page = ada.get(reverse("audit"), {"show": "drift"}).content.decode()
    assert "it takes 50 measured pictures" in page
    assert "too few to say" not in page


def test_pictures_that_changed_are_told_from_those_that_did_not(ada: Client) -> None:
    rng = np.random.default_rng(3)
    serving()
    for number in range(120):
        image = image_make()
        is_new = number >= 60
        features = features_make(image)
        features.measures = {
            "noise_sigma": float(rng.normal(9 if is_new else 3)),
            "fill": float(rng.normal(5)),
        }
        features.save()
        days = 1 if is_new else 30
        Image.objects.filter(pk=image.pk).update(created_at=timezone.now() - timedelta(days=days))
    page = ada.get(reverse("audit"), {"show": "drift"}).content.decode()
    assert "it takes 50 measured pictures" not in page
    found = drift_now()
    assert (found.then, found.now) == (60, 60)
    levels = {drift.name: str(drift.level) for drift in found.drifts}
    assert levels["noise_sigma"] == "act"
    assert levels["fill"] in ("stable", "look")
    assert "changed" in ada.get(reverse("audit"), {"show": "drift"}).content.decode()
    cache.clear()
    assert 'id="drift-alert"' not in ada.get(reverse("home")).content.decode()
    assert drift_watch() == drift_watch() == ["noise_sigma"]
    assert Event.objects.get(verb="audit.drift").after == {"changed": ["noise_sigma"]}  # told once
    assert 'id="drift-alert"' in ada.get(reverse("home")).content.decode()
    Image.objects.update(created_at=timezone.now() - timedelta(days=30))
    assert drift_watch() == []
    assert 'id="drift-alert"' not in ada.get(reverse("home")).content.decode()


def test_a_trail_is_never_changed_by_looking_at_it(ada: Client, cast: Cast) -> None:
    acts(cast)
    before = Event.objects.count()
    ada.get(reverse("audit"))
    ada.get(reverse("audit-events"))
    assert Event.objects.count() == before
