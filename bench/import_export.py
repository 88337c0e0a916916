"""Claim: ten thousand rows with predictions are in, and ten thousand votes are out, within seconds.

Web server and worker run as ``vitrine run`` starts them; a program sends a Label Studio file, then asks for
the votes, and waits until the worker has done each. The web server's share is what the sender waits for.

python -m bench.import_export [ROWS, default 10000]
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import Any
from uuid import uuid4

from bench.claims import report
from bench.fresh import fresh_site, images_with_scores
from bench.fresh.web import CSRF_TOKEN, cookies_of, web, worker

PORT, PATIENCE_S, POLL_S = 8413, 120.0, 0.02
IMPORT_BAR_S, EXPORT_BAR_S, REQUEST_BAR_S = 4.0, 2.0, 0.5
PEER = "Label Studio 1.23.2, {}, in the request"


class Program:
    """A script of an admin at one connection that stays open."""

    def __init__(self, user: Any) -> None:
        self.cookies = "; ".join(f"{name}={value}" for name, value in cookies_of(user).items())
        self.line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE_S)

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
        headers = {"Content-Type": kind, "Cookie": self.cookies, "X-CSRFToken": CSRF_TOKEN}
        self.line.request(method, f"/api/v1/{path}", body, headers | {"Accept": "application/json"})
        answer = self.line.getresponse()
        content = answer.read()
        assert answer.status < 300, content[:300]
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return json.loads(content) if is_json else content

    def finished(self, path: str) -> tuple[dict[str, Any], float]:
        """The job once it has ended, and when that was."""
        until = time.perf_counter() + PATIENCE_S
        while time.perf_counter() < until:
            told = self.ask("GET", path)
            if told["state"] in ("done", "failed", "cancelled"):
                return told, time.perf_counter()
            time.sleep(POLL_S)
        raise SystemExit("the job did not end")


def exported_elsewhere(digests: list[str]) -> bytes:
    """A Label Studio file with a prediction for each picture."""

    def task(number: int, digest: str) -> dict[str, Any]:
        rating = {"type": "rating", "value": {"rating": 1 + number % 5}}
        result = [{"from_name": "rating", "to_name": "image", **rating}]
        return {
            "id": number,
            "data": {"image": f"/data/{digest}.jpeg", "sku": f"SKU{number:07d}", "category": "shoe"},
            "predictions": [{"model_version": "v1", "score": 0.5, "result": result}],
        }

    return json.dumps([task(number, digest) for number, digest in enumerate(digests)]).encode()


def form_of(name: str, content: bytes) -> tuple[bytes, str]:
    """A form with one table in it, as curl sends it."""
    mark = "vitrine-bench"
    head = f'--{mark}\r\nContent-Disposition: form-data; name="kind"\r\n\r\ntable\r\n--{mark}\r\n'
    head += f'Content-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    return head.encode() + content + f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


def voted_make(rows: int) -> tuple[Any, Any, list[str]]:
    """An admin, a project with a vote on each of so many pictures, and the pictures' digests."""
    from django.contrib.auth.models import User

    from labeling.models import Annotation, Assignment, Membership, Project
    from labeling.queue import queue_fill
    from scoring.models import Image

    images_with_scores(rows)
    project = Project.objects.create(name="Catalogue", overlap=1)
    queue_fill(project=project)
    user = User.objects.create_user("ada")
    Membership.objects.create(project=project, user=user, role="admin")
    slots = list(Assignment.objects.filter(project=project, slot=1))
    Assignment.objects.filter(project=project, slot=1).update(state="submitted", user=user)
    Annotation.objects.bulk_create(
        Annotation(
            item_id=slot.item_id,
            assignment=slot,
            rater=user,
            rating=1 + n % 5,
            key=uuid4(),
            body_digest="0" * 64,
            defects={"noise": True},
        )
        for n, slot in enumerate(slots)
    )
    return user, project, list(Image.objects.order_by("pk").values_list("digest", flat=True))


def bring_in(program: Program, rows: int, digests: list[str]) -> None:
    from scoring.models import OutsideLabel

    body, kind = form_of("project-1.json", exported_elsewhere(digests))
    began = time.perf_counter()
    job = program.ask("POST", "imports/", body, kind)
    answered = time.perf_counter() - began
    told, ended = program.finished(f"imports/{job['id']}/")
    seconds, kept = ended - began, OutsideLabel.objects.count()
    assert (told["rows"]["duplicate"], kept) == (rows, rows), told
    report(
        f"import of {rows} rows with predictions, until all are kept",
        seconds,
        "s",
        f"<= {IMPORT_BAR_S:g}",
        seconds <= IMPORT_BAR_S,
        f"{seconds / rows * 1000:.2f} ms a row, pictures here already; " + PEER.format("8.9 s"),
    )
    report("the sender of the import waits", answered, "s", f"<= {REQUEST_BAR_S}", answered <= REQUEST_BAR_S)


def take_out(program: Program, rows: int, project: Any) -> None:
    asked = json.dumps({"project": project.pk, "form": "votes"}).encode()
    began = time.perf_counter()
    job = program.ask("POST", "exports/", asked)
    answered = time.perf_counter() - began
    program.finished(f"exports/{job['id']}/")
    body = program.ask("GET", f"exports/{job['id']}/file/")
    seconds = time.perf_counter() - began
    assert body.count(b"\n") == rows + 1
    report(
        f"export of {rows} votes, asked for, written, fetched",
        seconds,
        "s",
        f"<= {EXPORT_BAR_S:g}",
        seconds <= EXPORT_BAR_S,
        f"{len(body) / 1e6:.1f} MB; " + PEER.format("15.6 s"),
    )
    report("who asks for the export waits", answered, "s", f"<= {REQUEST_BAR_S}", answered <= REQUEST_BAR_S)


def main(rows: int) -> None:
    with fresh_site() as data:
        user, project, digests = voted_make(rows)
        with web(data, PORT), worker(data):
            program = Program(user)
            program.ask("GET", "projects/")  # the first request of a process reads its modules
            bring_in(program, rows, digests)
            take_out(program, rows, project)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
