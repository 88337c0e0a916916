"""Datasets, models, retrains and projects over the API."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from labeling.annotate import annotation_submit
from labeling.export import export_execute
from labeling.lease import lease_next
from labeling.models import ExportJob, Membership, Project
from scoring.dataset import FrozenRow, dataset_store
from scoring.models import DatasetVersion, Event, ModelVersion, Product, TrainingRun
from scoring.registry import base_model_ensure
from tests.api.conftest import Program
from tests.conftest import Cast
from tests.factories import image_make, item_make, label_make, score_make

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


def fetched(ada: APIClient, **asked: Any) -> bytes:
    """Ask for a file, let a worker write it, fetch it."""
    told = ada.post(f"{API}exports/", asked, format="json")
    assert told.status_code == 202
    here = f"{API}exports/{told.json()['id']}/"
    assert (ada.get(f"{here}file/").status_code, ada.get(here).json()["state"]) == (409, "waiting")
    export_execute(job_id=told.json()["id"])
    done = ada.get(here).json()
    body = b"".join(ada.get(f"{here}file/").streaming_content)
    assert (done["state"], done["byte_count"]) == ("done", len(body))
    return body


def test_versions_are_listed_and_told_with_their_splits(ada: APIClient) -> None:
    dataset = frozen()
    assert ada.get(f"{API}datasets/").json()["results"][0]["digest"] == dataset.digest
    told = ada.get(f"{API}datasets/{dataset.pk}/").json()
    assert sum(told["splits"].values()) == told["row_count"] == 3


def test_a_version_is_asked_for_watched_and_fetched_in_every_form(ada: APIClient) -> None:
    dataset = frozen()
    bodies = {form: fetched(ada, dataset=dataset.pk, form=form) for form in ExportJob.Form.values}
    assert len(list(csv.DictReader(io.StringIO(bodies["csv"].decode())))) == 3
    assert len([json.loads(line) for line in bodies["jsonl"].splitlines()]) == 3
    assert len(json.loads(bodies["label-studio"])) == 3
    assert len(json.loads(bodies["coco"])["images"]) == 3
    listed = ada.get(f"{API}exports/").json()["results"]
    assert {job["form"] for job in listed} == set(ExportJob.Form.values)


def test_what_cannot_be_exported_is_refused_and_leaves_no_job(ada: APIClient, cast: Cast) -> None:
    dataset = frozen()
    for asked, status in (
        ({"form": "pickle", "dataset": dataset.pk}, 400),
        ({"form": "csv"}, 400),
        ({"form": "csv", "dataset": 999}, 404),
        ({"form": "csv", "dataset": dataset.pk, "project": cast.project.pk}, 400),
        ({"form": "csv", "project": cast.project.pk}, 422),
    ):
        assert ada.post(f"{API}exports/", asked, format="json").status_code == status, asked
    assert not ExportJob.objects.exists()
    assert ada.get(f"{API}exports/999/").status_code == 404


def test_an_export_is_cancelled(ada: APIClient) -> None:
    told = ada.post(f"{API}exports/", {"form": "csv", "dataset": frozen().pk}, format="json").json()
    assert ada.post(f"{API}exports/{told['id']}/cancel/").json()["state"] == "cancelled"
    assert export_execute(job_id=told["id"]) == "not ours"


def test_no_cell_of_an_export_runs_in_a_spreadsheet(ada: APIClient) -> None:
    text = fetched(ada, dataset=frozen(title="=cmd|' /C calc'!A0").pk, form="csv").decode()
    row = next(csv.DictReader(io.StringIO(text)))
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
    for _ in range(10):
        label_make(cast.project)
    deep = ada.post(f"{API}training-runs/", {"kind": "deep"}, format="json")
    assert (deep.status_code, deep.json()["code"]) == (422, "too_few_labels")
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


def test_votes_come_out_as_csv_for_the_project_s_admins_alone(
    ada: APIClient, cast: Cast, program: Program
) -> None:
    score_make(item_make(cast.project).image)
    (slot,) = lease_next(user=cast.ann, project=cast.project)
    annotation_submit(user=cast.ann, assignment_id=slot.pk, key=uuid4(), rating=4, dimensions={"colour": 2})
    text = fetched(ada, project=cast.project.pk, form="votes").decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["rater"], row["rating"], row["colour"]) for row in rows] == [("ann", "4", "2")]
    job = ExportJob.objects.get()
    other = User.objects.create_user("otto")
    Membership.objects.create(project=Project.objects.create(name="Foreign"), user=other, role="admin")
    for person in (cast.rui, other):
        client = program(person)
        asked = {"project": cast.project.pk, "form": "votes"}
        assert client.post(f"{API}exports/", asked, format="json").status_code in (403, 404)
        for part in ("", "file/"):
            assert client.get(f"{API}exports/{job.pk}/{part}").status_code in (403, 404)
        assert client.post(f"{API}exports/{job.pk}/cancel/").status_code in (403, 404)
    assert program(other).get(f"{API}exports/").json()["results"] == []


@pytest.mark.parametrize("path", ["exports/", "datasets/", "models/", "models/serving/", "training-runs/"])
@pytest.mark.parametrize("who", ["ann", "rui", "mallory"])
def test_only_admins_look_behind_the_machine(cast: Cast, program: Program, who: str, path: str) -> None:
    assert program(getattr(cast, who)).get(API + path).status_code == 403


def test_an_unknown_address_of_the_api_answers_in_json(ada: APIClient, settings: LazySettings) -> None:
    answer = ada.get(f"{API}nothing/")
    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "detail"}
