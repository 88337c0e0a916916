"""People talk about a picture and call each other; nobody is swayed before their own vote."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from labeling.annotate import annotation_submit
from labeling.comments import (
    call_see,
    calls_count,
    calls_open,
    comment_write,
    comments_of,
    names_in,
)
from labeling.models import Comment, Item, Mention
from labeling.permissions import Role
from labeling.queue import lease_next
from labeling.templatetags.evidence import call_parts
from scoring.errors import BadInputError, NotThereError
from scoring.models import Event
from tests.conftest import Cast
from tests.factories import item_make, score_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def item(cast: Cast) -> Item:
    made = item_make(cast.project)
    score_make(made.image)
    return made


def test_names_are_found_with_their_dots_but_without_the_full_stop() -> None:
    assert names_in("@ann, see @ben.kay. And @ann again; not a@b.com") == ["ann", "ben.kay"]
    assert names_in("(@ann@shop.example)") == ["ann@shop.example"]
    assert names_in("@ . @- nobody") == []


def test_a_comment_calls_members_and_leaves_its_event(cast: Cast, item: Item) -> None:
    comment = comment_write(
        user=cast.rui, item_id=item.pk, text=" @Ann and @mallory, @rui: look ", key=uuid4()
    )
    assert comment.text == "@Ann and @mallory, @rui: look"
    assert list(comment.mentions.values_list("user__username", flat=True)) == ["ann"]
    event = Event.objects.get(verb="comment.write")
    assert (event.actor, event.after) == (cast.rui, {"item": item.pk, "called": ["ann"]})
    assert [part for part, is_call in call_parts(comment) if is_call] == ["@Ann"]
    assert "".join(part for part, _ in call_parts(comment)) == comment.text


def test_the_same_click_is_one_comment(cast: Cast, item: Item) -> None:
    key = uuid4()
    first = comment_write(user=cast.ann, item_id=item.pk, text="Look", key=key)
    assert comment_write(user=cast.ann, item_id=item.pk, text="Look", key=key) == first
    with pytest.raises(BadInputError):
        comment_write(user=cast.ann, item_id=item.pk, text="Other", key=key)
    assert Comment.objects.count() == Event.objects.filter(verb="comment.write").count() == 1


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 1001, "nul \x00"])
def test_an_empty_or_unstorable_comment_is_refused(cast: Cast, item: Item, text: str) -> None:
    with pytest.raises(BadInputError):
        comment_write(user=cast.ann, item_id=item.pk, text=text, key=uuid4())
    assert not Comment.objects.exists()


def test_strangers_say_nothing_and_the_database_forgets_nothing(cast: Cast, item: Item) -> None:
    with pytest.raises(NotThereError):
        comment_write(user=cast.mallory, item_id=item.pk, text="Look", key=uuid4())
    assert not Comment.objects.exists()
    comment = comment_write(user=cast.ann, item_id=item.pk, text="Look", key=uuid4())
    for change in (
        lambda: Comment.objects.update(text="x"),
        lambda: Comment.objects.filter(pk=comment.pk).delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert Comment.objects.get().text == "Look"


def test_before_their_own_vote_people_read_only_what_is_theirs_or_calls_them(cast: Cast, item: Item) -> None:
    for author, text in ((cast.rui, "Too dark"), (cast.rui, "@ann?"), (cast.ann, "Mine"), (cast.ben, "Ha")):
        comment_write(user=author, item_id=item.pk, text=text, key=uuid4())

    def read(user: object, role: Role) -> list[str]:
        return [comment.text for comment in comments_of(item=item, user=user, role=role)]  # type: ignore[arg-type]

    assert read(cast.ann, Role.ANNOTATOR) == ["@ann?", "Mine"]
    assert read(cast.ben, Role.ANNOTATOR) == ["Ha"]
    assert len(read(cast.rui, Role.REVIEWER)) == 4
    (slot,) = lease_next(user=cast.ben, project=cast.project)
    annotation_submit(user=cast.ben, assignment_id=slot.pk, key=uuid4(), rating=3)
    assert len(read(cast.ben, Role.ANNOTATOR)) == 4


def test_a_call_waits_until_it_is_seen_or_answered(cast: Cast, item: Item) -> None:
    other = item_make(cast.project)
    for one in (item, item, other):
        comment_write(user=cast.rui, item_id=one.pk, text="@ann look", key=uuid4())
    calls = calls_open(user=cast.ann, project=cast.project)
    assert [call.comment.item_id for call in calls] == [other.pk, item.pk, item.pk]
    assert calls_count(user=cast.ann) == 3
    call_see(user=cast.ann, mention_id=calls[0].pk)
    call_see(user=cast.ann, mention_id=calls[0].pk)
    with pytest.raises(NotThereError):
        call_see(user=cast.ben, mention_id=calls[1].pk)
    assert calls_count(user=cast.ann) == 2
    comment_write(user=cast.ann, item_id=item.pk, text="Done", key=uuid4())
    assert calls_count(user=cast.ann) == 0
    assert Mention.objects.filter(seen_at=None).count() == 0


def test_the_pages_show_the_badge_the_list_and_the_talk(client: Client, cast: Cast, item: Item) -> None:
    client.force_login(cast.rui)
    told = {"text": "@ann <b>look</b>", "key": str(uuid4()), "back": "review"}
    answer = client.post(f"/images/{item.image_id}/comment/", told)
    assert answer["Location"] == f"/review/?item={item.pk}#comments"
    client.force_login(cast.ann)
    home = client.get("/").content.decode()
    assert "1 person calls you" in home
    assert "&lt;b&gt;look" in home
    page = client.get(f"/images/{item.image_id}/").content.decode()
    assert '<strong class="comment-call">@ann</strong>' in page
    assert "<b>look" not in page
    (call,) = calls_open(user=cast.ann, project=cast.project)
    assert client.post(f"/mentions/{call.pk}/seen/").status_code == 302
    assert "calls you" not in client.get("/").content.decode()
    answer = client.post(f"/images/{item.image_id}/comment/", {"text": " ", "key": str(uuid4())}, follow=True)
    assert "Write something first." in answer.content.decode()
