"""A house for load drivers made for other labeling servers: filled, started, and described by a file.

python -m bench.peers FILE [PORT, default 8416] [IMAGES, default 10000]

Writes ours.json with the tokens of this house to FILE, prints an admin's token, a name and password for a
browser, and the server's process; stops at the end of its input or at Ctrl+C. Rows of an import find their
pictures by the names p0000.jpg to p0199.jpg.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path

from bench.fresh import fresh_site, images_with_scores, pictures_stored
from bench.fresh.web import web, worker

SPEC = Path(__file__).with_name("ours.json")
PEOPLE, STORED, PASSWORD = 8, 120, "Passw0rd-of-a-bench"


def people(images: int) -> list[str]:
    """Tokens of an admin and of those who label, in a project of so many pictures."""
    from django.contrib.auth.models import User
    from django.db.models import F, Value
    from django.db.models.fields import CharField
    from django.db.models.functions import Cast, Concat, LPad
    from knox.models import AuthToken

    from labeling.models import Membership, Project
    from labeling.queue import queue_fill
    from scoring.models import Image

    images_with_scores(images)
    pictures_stored(STORED)
    first = Image.objects.order_by("pk").values_list("pk", flat=True)[0]
    number = LPad(Cast(F("pk") - first, CharField()), 4, Value("0"))
    named = Image.objects.filter(pk__lt=first + 200)
    named.update(name=Concat(Value("p"), number, Value(".jpg")))
    project = Project.objects.create(
        name="Catalogue", overlap=1, holdout_share=0, blind_rate=0, repeat_rate=0, gold_rate=0
    )
    queue_fill(project=project)
    tokens = []
    for place in range(PEOPLE + 1):
        role = "annotator" if place else "admin"
        user = User.objects.create_user(f"{role}{place}", password=PASSWORD)
        Membership.objects.create(project=project, user=user, role=role)
        tokens.append(AuthToken.objects.create(user=user)[1])
    return tokens


def main(path: Path, port: int, images: int) -> None:
    with fresh_site() as data:
        admin, *tokens = people(images)
        spec = json.loads(SPEC.read_text(encoding="utf-8"))
        spec["users"] = [[token, ""] for token in tokens]
        path.write_text(json.dumps(spec, indent=1), encoding="utf-8")
        with web(data, port, with_static=True) as server, worker(data):
            print(f"base http://127.0.0.1:{port} admin {admin}:- pid {server.pid}", flush=True)
            print(f"browser /login/,username,password,annotator1,{PASSWORD} open /label/", flush=True)
            with suppress(KeyboardInterrupt):
                sys.stdin.read()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    given = [int(word) for word in sys.argv[2:4]]
    main(Path(sys.argv[1]), *given, *[8416, 10_000][len(given) :])
