"""Comments on an item, beside station 6: members talk about a picture and call each other by @name.

Whoever may not see others' votes yet is not shown others' comments either, since they would sway as much;
their own, and those that call them, they see. A call stands on Home until it is marked as seen or answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.answer import require_text
from labeling.evidence import may_see_votes
from labeling.models import Comment, Item, Membership, Mention, Project
from labeling.permissions import Role, require_role
from scoring.errors import BadInputError, NotThereError
from scoring.events import event_note

LONGEST_COMMENT = 1000
MOST_SHOWN, MOST_CALLS = 200, 50
NAMED = re.compile(r"(?<![\w@.])@([\w.+-]+(?:@[\w.-]+)?)")  # @ann, also where the name is an e-mail address


def names_in(text: str) -> list[str]:
    """Names called in a text, as written, without a full stop behind them, each once."""
    return list(dict.fromkeys(name.rstrip(".-") for name in NAMED.findall(text) if name.rstrip(".-")))


def comments_readable(*, item: Item, user: User, role: Membership.Role) -> QuerySet[Comment]:
    """Comments of an item that the person may read, with those they call."""
    found = Comment.objects.filter(item_id=item.pk)
    if not may_see_votes(role=role, item=item, user=user):
        called = Mention.objects.filter(user_id=user.pk, comment__item_id=item.pk)
        found = found.filter(Q(author_id=user.pk) | Q(pk__in=called.values("comment_id")))
    return found.select_related("author", "item").prefetch_related("mentions__user")


def comments_of(*, item: Item, user: User, role: Membership.Role) -> list[Comment]:
    """The newest of them, the oldest first, as a page shows them."""
    return list(comments_readable(item=item, user=user, role=role).order_by("-id")[:MOST_SHOWN])[::-1]


def talk_of(*, item: Item, user: User, role: Membership.Role) -> dict[str, Any]:
    """What the talk about an item shows: comments, who can be called, and a key for the next comment."""
    return {
        "comments": comments_of(item=item, user=user, role=role),
        "members": [person for person in members_of(item.project) if person.pk != user.pk],
        "comment_key": uuid4(),
    }


def comment_write(*, user: User, item_id: int, text: str, key: UUID) -> Comment:
    """Store a comment and call the members it names; answers whoever called the person on this item."""
    text = text.strip()
    if not text:
        raise BadInputError(_("Write something first."), code="empty")
    require_text(text, most=LONGEST_COMMENT)
    try:
        with transaction.atomic():
            return _write(user, item_id, text, key)
    except IntegrityError:  # the same click a moment ago
        return _same(Comment.objects.get(key=key), user, item_id, text)


def _write(user: User, item_id: int, text: str, key: UUID) -> Comment:
    item = Item.objects.select_related("project").filter(pk=item_id).first()
    if item is None:
        raise NotThereError(_("There is no such item."))
    require_role(user, item.project, Role.ANNOTATOR)
    twin = Comment.objects.filter(key=key).first()
    if twin is not None:
        return _same(twin, user, item_id, text)
    comment = Comment.objects.create(item=item, author=user, text=text, key=key)
    called = _members(item.project, names_in(text), but=user)
    Mention.objects.bulk_create(Mention(comment=comment, user=person) for person in called)
    Mention.objects.filter(user_id=user.pk, comment__item_id=item.pk, seen_at=None).update(
        seen_at=timezone.now()
    )
    told = {"item": item.pk, "called": [person.username for person in called]}
    event_note(actor=user, verb="comment.write", target=comment, after=told)
    return comment


def _same(twin: Comment, user: User, item_id: int, text: str) -> Comment:
    if (twin.author_id, twin.item_id, twin.text) != (user.pk, item_id, text):
        raise BadInputError(_("This key was used for another comment."), code="key_reused")
    return twin


def _members(project: Project, names: Iterable[str], *, but: User) -> list[User]:
    """Members of the project with these names; a name that is nobody's stays plain text."""
    wanted = {name.lower() for name in names}
    if not wanted:
        return []
    members = members_of(project)
    return [person for person in members if person.username.lower() in wanted and person.pk != but.pk]


def members_of(project: Project) -> list[User]:
    """Who can be called: active members, by name."""
    return list(User.objects.filter(memberships__project=project, is_active=True).order_by("username"))


def calls_waiting(*, user: User) -> QuerySet[Mention]:
    """Calls the person has not seen in their live projects, with what they need to be shown."""
    mine = Mention.objects.filter(user_id=user.pk, seen_at=None, comment__item__project__is_archived=False)
    return mine.select_related("comment__author", "comment__item__image__product").prefetch_related(
        "comment__mentions__user"
    )


def calls_open(*, user: User, project: Project) -> list[Mention]:
    """Those of one project, the newest first."""
    return list(calls_waiting(user=user).filter(comment__item__project=project).order_by("-id")[:MOST_CALLS])


def calls_count(*, user: User) -> int:
    """How many calls wait for the person in all their live projects."""
    return calls_waiting(user=user).count()


def call_see(*, user: User, mention_id: int) -> None:
    """The person has seen that they were called. Safe to repeat."""
    mine = Mention.objects.filter(pk=mention_id, user_id=user.pk)
    if not mine.filter(seen_at=None).update(seen_at=timezone.now()) and not mine.exists():
        raise NotThereError(_("Nobody called you there."))
