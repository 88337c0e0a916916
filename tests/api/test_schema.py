"""The OpenAPI schema is complete: no warning, and every operation says how it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from rest_framework.test import APIClient

from tests.conftest import Cast


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out: Path = tmp_path_factory.mktemp("schema") / "schema.yml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(out))
    loaded: dict[str, Any] = yaml.safe_load(out.read_text(encoding="utf-8"))
    return loaded


def _operations(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_documents_every_refusal_in_one_shape(schema: dict[str, Any]) -> None:
    refusal = {"$ref": "#/components/schemas/Refusal"}
    for name, operation in _operations(schema):
        for status in ("400", "401", "403", "404", "409", "422", "429"):
            answer = operation["responses"][status]
            assert answer["content"]["application/json"]["schema"] == refusal, (name, status)
    assert schema["components"]["schemas"]["Refusal"]["required"] == ["code", "detail"]


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(schema: dict[str, Any]) -> None:
    operations = _operations(schema)
    names = [operation["operationId"] for _, operation in operations]
    assert len(set(names)) == len(names)
    assert not [name for name, operation in operations if not operation.get("description")]


def test_every_list_comes_in_pages(schema: dict[str, Any]) -> None:
    paged = {
        path
        for path, methods in schema["paths"].items()
        if "get" in methods
        and {"limit", "cursor"} <= {p["name"] for p in methods["get"].get("parameters", [])}
    }
    lists = {"imports", "imports/{id}/rows", "images", "exports", "models", "training-runs", "projects"}
    assert {f"/api/v1/{name}/" for name in lists} <= paged


@pytest.mark.django_db
def test_the_schema_is_served_to_people_with_a_login(cast: Cast) -> None:
    assert APIClient().get("/api/v1/schema/").status_code == 401
    client = APIClient()
    client.force_login(cast.ann)
    answer = client.get("/api/v1/schema/")
    assert answer.status_code == 200
    assert b"/api/v1/imports/" in answer.content
