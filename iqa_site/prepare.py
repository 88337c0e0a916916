"""One process that makes the house ready: migrate, collect static files, bootstrap.

Run as ``python -m iqa_site.prepare``. The steps share one Django start; each is skipped by the
launcher when a fingerprint of its inputs says that nothing changed. The bootstrap's JSON is the last
line on stdout.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES_WITH_TABLES = ("django", "django-axes", "django-rest-knox")
PACKAGES_WITH_STATIC = ("django", "django-htmx", "djangorestframework", "drf-spectacular", "whitenoise")


def migrations_fingerprint(database: Path) -> str:
    """Changes when a migration file, a package with tables, or the embedded database itself changes."""
    made = database / "vitrine_database"
    born = str(made.stat().st_mtime_ns) if made.exists() else ""
    files = sorted(ROOT.glob("*/migrations/*.py"))
    return _digest([born, *_versions(PACKAGES_WITH_TABLES), *_facts(files)])


def static_fingerprint(static_root: Path) -> str:
    """Changes when a static source, a package with static files, or the collected folder changes."""
    collected = static_root / "staticfiles.json"
    born = str(collected.stat().st_mtime_ns) if collected.exists() else ""
    files = sorted(path for path in (ROOT / "static").rglob("*") if path.is_file())
    return _digest([born, *_versions(PACKAGES_WITH_STATIC), *_facts(files)])


def recorded(data: Path) -> Mapping[str, str]:
    """Fingerprints of the last successful preparation; empty when there was none."""
    with suppress(FileNotFoundError, ValueError):
        return dict(json.loads((data / "prepared.json").read_text(encoding="utf-8")))
    return {}


def record(data: Path, fingerprints: Mapping[str, str]) -> None:
    draft = data / "prepared.json.new"
    draft.write_text(json.dumps(dict(fingerprints)), encoding="utf-8")
    draft.replace(data / "prepared.json")


def _digest(words: list[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _versions(packages: tuple[str, ...]) -> Iterator[str]:
    for package in packages:
        yield f"{package}=={version(package)}"


def _facts(files: list[Path]) -> Iterator[str]:
    for path in files:
        facts = path.stat()
        yield f"{path.relative_to(ROOT)} {facts.st_size} {facts.st_mtime_ns}"


def main() -> None:
    """Run the steps that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m iqa_site.prepare")
    for step in ("--migrate", "--static", "--bootstrap", "--no-sample"):
        parser.add_argument(step, action="store_true")
    wanted = parser.parse_args()
    import django
    from django.core.management import call_command

    django.setup()
    if wanted.migrate:
        call_command("migrate", interactive=False, verbosity=0)
    if wanted.static:
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    if wanted.bootstrap:
        call_command("bootstrap", *(["--no-sample"] if wanted.no_sample else []))


if __name__ == "__main__":
    main()
