"""Datasets, models, retrains and projects over the API."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from labeling.annotate import annotation_submit
from labeling.lease import lease_next
from labeling.models import Project
from scoring.dataset import FORMATS, FrozenRow, dataset_store
from scoring.models import DatasetVersion, Event, ModelVersion, Product, TrainingRun
from scoring.registry import base_model_ensure
from tests.api.conftest import Program
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

pytestmark = pytest.mark.django_db
API = "/api/v1/"


def frozen(count: int = 3, *, title: str = "Mug") -> DatasetVersion:
    rows = []
    for number in range(count):
        product = Product.objects.create(external_id=f"=P{number}", title=title, seller="+shop")
        image = image_make(product=product)
        rows.append(FrozenRow(image.pk, f"g{number}", "mugs", 50.0 + number, 5.0, 0.04, 3))
    return dataset_store(name=f"v{uuid4().hex[:4]}", rows=rows, split_seed=0, note="", created_by=None)


@pytest.fixture
def ada(cast: Cast, program: Program) -> APIClient:
    return program(cast.ada)


def text_of(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def test_versions_are_listed_and_told_with_their_splits(ada: APIClient) -> None:
    dataset = frozen()
    assert ada.get(f"{API}exports/").json()["results"][0]["digest"] == dataset.digest
    told = ada.get(f"{API}exports/{dataset.pk}/").json()
    assert sum(told["splits"].values()) == told["row_count"] == 3


def test_a_version_comes_out_in_every_form(ada: APIClient) -> None:
    dataset = frozen()
    texts = {form: text_of(ada.get(f"{API}exports/{dataset.pk}/{form}/")) for form in FORMATS}
    assert len(list(csv.DictReader(io.StringIO(texts["csv"])))) == 3
    assert len([json.loads(line) for line in texts["jsonl"].splitlines()]) == 3
    assert len(json.loads(texts["label-studio"])) == 3
    assert len(json.loads(texts["coco"])["images"]) == 3
    assert ada.get(f"{API}exports/{dataset.pk}/pickle/").status_code == 404
    assert ada.get(f"{API}exports/999/csv/").status_code == 404


def test_no_cell_of_an_export_runs_in_a_spreadsheet(ada: APIClient) -> None:
    dataset = frozen(title="=cmd|' /C calc'!A0")
    answer = ada.get(f"{API}exports/{dataset.pk}/csv/")
    assert answer["Content-Disposition"].startswith("attachment")
    row = next(csv.DictReader(io.StringIO(text_of(answer))))
    assert row["title"] == "'=cmd|' /C calc'!A0"
    assert row["product_id"].startswith("'=")
    assert row["seller"] == "'+shop"


def test_models_are_listed_promoted_and_rolled_back(ada: APIClient) -> None:
    base = base_model_ensure()
    other = ModelVersion.objects.create(
        name="other",
        kind="base",
        feature_version=base.feature_version,
        weights_digest=base.weights_digest,
        state="candidate",
    )
    assert [row["name"] for row in ada.get(f"{API}models/").json()["results"]] == ["other", base.name]
    told = ada.get(f"{API}models/serving/").json()
    assert (told["champion"], told["previous"]) == (base.name, None)
    none = ada.post(f"{API}models/roll-back/")
    assert (none.status_code, none.json()["code"]) == (409, "no_previous")
    assert ada.post(f"{API}models/{other.pk}/promote/").json()["champion"] == "other"
    assert ada.post(f"{API}models/roll-back/").json()["champion"] == base.name
    assert ada.get(f"{API}models/{other.pk}/").json()["state"] == "retired"
    assert ada.post(f"{API}models/999/promote/").status_code == 404


def test_a_model_the_gate_refused_serves_only_with_a_reason_on_record(ada: APIClient) -> None:
    base = base_model_ensure()
    refused = ModelVersion.objects.create(
        name="refused",
        kind="base",
        feature_version=base.feature_version,
        weights_digest=base.weights_digest,
        state="refused",
    )
    here = f"{API}models/{refused.pk}/promote/"
    assert (ada.post(here).status_code, ada.post(here).json()["code"]) == (422, "reason_missing")
    assert ada.get(f"{API}models/serving/").json()["champion"] == base.name
    assert ada.post(here, {"reason": "the holdout was mislabelled"}, format="json").status_code == 200
    assert Event.objects.get(verb="promote.promote").after["reason"] == "the holdout was mislabelled"


def test_a_retrain_starts_is_watched_and_cancelled(ada: APIClient, cast: Cast) -> None:
    early = ada.post(f"{API}training-runs/", {}, format="json")
    assert (early.status_code, early.json()["code"]) == (422, "no_labels")
    assert not TrainingRun.objects.exists()
    run = TrainingRun.objects.create(trigger="button", dataset=frozen())
    assert ada.get(f"{API}training-runs/{run.pk}/").json()["state"] == "queued"
    assert ada.post(f"{API}training-runs/{run.pk}/cancel/").json()["state"] == "cancelled"
    assert [row["id"] for row in ada.get(f"{API}training-runs/").json()["results"]] == [run.pk]


def test_a_retrain_of_a_foreign_project_is_a_404(ada: APIClient, cast: Cast) -> None:
    foreign = Project.objects.create(name="Foreign")
    answer = ada.post(f"{API}training-runs/", {"project": foreign.pk}, format="json")
    assert answer.status_code == 404
    assert ada.post(f"{API}training-runs/", {"kind": "x"}, format="json").status_code == 400


def test_people_see_their_own_projects_and_their_role_in_them(
    cast: Cast, program: Program, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        Project.objects.create(name=f"Foreign {number}")
    with django_assert_max_num_queries(6):
        rows = program(cast.rui).get(f"{API}projects/").json()["results"]
    assert [(row["id"], row["role"]) for row in rows] == [(cast.project.pk, "reviewer")]


def test_votes_come_out_as_csv_for_the_project_s_admins_alone(cast: Cast, program: Program) -> None:
    score_make(item_make(cast.project).image)
    (slot,) = lease_next(user=cast.ann, project=cast.project)
    annotation_submit(user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=4, dimensions={"colour": 2})
    here = f"{API}projects/{cast.project.pk}/votes/"
    rows = list(csv.DictReader(io.StringIO(text_of(program(cast.ada).get(here)))))
    assert [(row["rater"], row["rating"], row["colour"]) for row in rows] == [("ann", "4", "2")]
    assert program(cast.rui).get(here).status_code == 403
    foreign = Project.objects.create(name="Foreign")
    assert program(cast.ada).get(f"{API}projects/{foreign.pk}/votes/").status_code == 404


@pytest.mark.parametrize("path", ["exports/", "models/", "models/serving/", "training-runs/"])
@pytest.mark.parametrize("who", ["ann", "rui", "mallory"])
def test_only_admins_look_behind_the_machine(cast: Cast, program: Program, who: str, path: str) -> None:
    assert program(getattr(cast, who)).get(API + path).status_code == 403


def test_an_unknown_address_of_the_api_answers_in_json(ada: APIClient, settings: LazySettings) -> None:
    answer = ada.get(f"{API}nothing/")
    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "detail"}
