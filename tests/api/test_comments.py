"""Programs read and write comments under the rules of the pages."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from labeling.comments import comment_write
from labeling.models import Comment, Item, Mention, Project
from tests.api.conftest import Program
from tests.conftest import Cast
from tests.factories import item_make, score_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def item(cast: Cast) -> Item:
    made = item_make(cast.project)
    score_make(made.image)
    return made


def address(item: Item) -> str:
    return f"/api/v1/images/{item.image_id}/comments/"


def say(client: Any, item: Item, **said: Any) -> Any:
    return client.post(address(item), {"text": "Look, @ann", "key": str(uuid4()), **said}, format="json")


def test_a_comment_is_written_and_read_with_those_it_calls(cast: Cast, item: Item, program: Program) -> None:
    written = say(program(cast.rui), item)
    assert written.status_code == 201
    told = written.json()
    assert (told["author"], told["text"], told["called"]) == ("rui", "Look, @ann", ["ann"])
    assert told["image"] == item.image_id
    assert program(cast.ann).get(address(item)).json()["results"] == [told]


def test_a_comment_sent_twice_is_one(cast: Cast, item: Item, program: Program) -> None:
    client, key = program(cast.rui), str(uuid4())
    assert say(client, item, key=key).json() == say(client, item, key=key).json()
    assert say(client, item, key=key, text="Something else").json()["code"] == "key_reused"
    assert Comment.objects.count() == 1


def test_whoever_may_not_see_votes_reads_no_others_comments(cast: Cast, item: Item, program: Program) -> None:
    comment_write(user=cast.rui, item_id=item.pk, text="It is sharp.", key=uuid4())
    comment_write(user=cast.rui, item_id=item.pk, text="@ann?", key=uuid4())
    comment_write(user=cast.ann, item_id=item.pk, text="Mine.", key=uuid4())
    texts = [told["text"] for told in program(cast.ann).get(address(item)).json()["results"]]
    assert texts == ["Mine.", "@ann?"]
    assert len(program(cast.rui).get(address(item)).json()["results"]) == 3


def test_many_comments_come_by_the_page(cast: Cast, item: Item, program: Program) -> None:
    for number in range(5):
        comment_write(user=cast.ann, item_id=item.pk, text=str(number), key=uuid4())
    client, found = program(cast.rui), []
    following: str | None = f"{address(item)}?limit=2"
    while following:
        answer = client.get(following).json()
        found += [told["text"] for told in answer["results"]]
        following = answer["next"]
    assert found == ["4", "3", "2", "1", "0"]


def test_a_call_waits_until_it_is_seen(cast: Cast, item: Item, program: Program) -> None:
    comment_write(user=cast.rui, item_id=item.pk, text="@ann?", key=uuid4())
    client = program(cast.ann)
    (call,) = client.get("/api/v1/calls/").json()["results"]
    assert (call["project"], call["comment"]["text"]) == (cast.project.pk, "@ann?")
    assert program(cast.ben).post(f"/api/v1/calls/{call['id']}/seen/").status_code == 404
    assert Mention.objects.get().seen_at is None
    assert [client.post(f"/api/v1/calls/{call['id']}/seen/").status_code for _ in "ab"] == [204, 204]
    assert client.get("/api/v1/calls/").json()["results"] == []


@pytest.mark.parametrize("said", [{"text": "  "}, {"key": "no key"}, {"text": "x" * 1001}, {"more": 1}])
def test_what_is_no_comment_is_refused(
    cast: Cast, item: Item, program: Program, said: dict[str, Any]
) -> None:
    assert say(program(cast.rui), item, **said).status_code == 400
    assert not Comment.objects.exists()


def test_strangers_and_other_projects_hear_nothing(cast: Cast, item: Item, program: Program) -> None:
    comment_write(user=cast.rui, item_id=item.pk, text="It is sharp.", key=uuid4())
    assert program(cast.mallory).get(address(item)).status_code == 403
    elsewhere = Project.objects.create(name="Elsewhere")
    client = program(cast.rui)
    assert client.get(f"{address(item)}?project={elsewhere.pk}").status_code == 404
    assert say(client, item, project=elsewhere.pk).status_code == 404
    assert Comment.objects.count() == 1


def test_reading_costs_the_same_however_many(
    cast: Cast, item: Item, program: Program, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        comment_write(user=cast.ann, item_id=item.pk, text=f"{number} @ben @rui", key=uuid4())
    client = program(cast.rui)
    client.get(address(item))
    with django_assert_max_num_queries(9):
        assert len(client.get(address(item)).json()["results"]) == 6
