"""A login link is as good as a password: who may be handed one."""

from __future__ import annotations

import pytest

from labeling.login_links import login_link_permit
from labeling.models import Membership, Project
from scoring.errors import NotAllowedError, NotThereError
from scoring.models import Event
from tests.conftest import Cast


def test_an_admin_gets_a_link_for_a_member_and_leaves_a_note(cast: Cast) -> None:
    assert login_link_permit(by=cast.ada, project=cast.project, user_id=cast.ann.pk) == cast.ann
    assert Event.objects.get(verb="people.link").actor == cast.ada


@pytest.mark.parametrize("name", ["rui", "ann"])
def test_below_admin_nobody_gets_a_link(cast: Cast, name: str) -> None:
    with pytest.raises(NotAllowedError):
        login_link_permit(by=getattr(cast, name), project=cast.project, user_id=cast.ben.pk)
    assert not Event.objects.filter(verb="people.link").exists()


def test_nobody_gets_a_link_for_somebody_outside_the_project(cast: Cast) -> None:
    with pytest.raises(NotThereError):
        login_link_permit(by=cast.ada, project=cast.project, user_id=cast.mallory.pk)


def test_an_admin_of_one_project_cannot_become_an_admin_of_another(cast: Cast) -> None:
    elsewhere = Project.objects.create(name="Elsewhere")
    Membership.objects.create(project=elsewhere, user=cast.ann, role="admin")
    with pytest.raises(NotAllowedError) as refused:
        login_link_permit(by=cast.ada, project=cast.project, user_id=cast.ann.pk)
    assert refused.value.code == "more_power"
    Membership.objects.create(project=elsewhere, user=cast.ada, role="admin")
    assert login_link_permit(by=cast.ada, project=cast.project, user_id=cast.ann.pk) == cast.ann


def test_an_admin_cannot_become_a_superuser(cast: Cast) -> None:
    cast.ann.is_superuser = True
    cast.ann.save()
    with pytest.raises(NotAllowedError):
        login_link_permit(by=cast.ada, project=cast.project, user_id=cast.ann.pk)
