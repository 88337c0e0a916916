"""A project's rules: set by admins, in words where they make no sense, with an event, all or none."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.lease import lease_next
from labeling.models import Assignment, Project
from labeling.rules import RulesError, project_change, quotas_of
from scoring.errors import NotAllowedError, NotThereError
from scoring.models import Event
from tests.conftest import Cast
from tests.factories import image_make, item_make

pytestmark = pytest.mark.django_db


def change(cast: Cast, quotas: dict[str, float] | None = None, **changes: Any) -> Project:
    return project_change(by=cast.ada, project=cast.project, changes=changes, quotas=quotas)


def form_of(cast: Cast, client: Client, **changes: str) -> dict[str, str]:
    """What a browser would send: the page's fields as they stand, some of them changed."""
    client.force_login(cast.ada)
    form = client.get(reverse("project-rules")).context["form"]
    said = {name: form[name].value() for name in form.fields} | changes
    return {name: "" if value is None or value is False else value for name, value in said.items()}


def test_one_event_names_what_changed_and_nothing_else(cast: Cast) -> None:
    change(cast, overlap=2, gold_rate=0.1, guidelines="Look twice.")
    event = Event.objects.get(verb="project.change")
    assert event.before == {"gold_rate": 0, "guidelines": ""}
    assert event.after == {"gold_rate": 0.1, "guidelines": "Look twice."}
    assert (event.actor, event.target_id) == (cast.ada, cast.project.pk)
    change(cast, gold_rate=0.1)
    assert Event.objects.filter(verb="project.change").count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"overlap": 0}, "overlap"),
        ({"overlap": 3, "max_overlap": 2}, "max_overlap"),
        ({"gold_rate": 1.2}, "gold_rate"),
        ({"gold_rate": 0.4, "repeat_rate": 0.2}, "gold_rate"),
        ({"qualification_count": 2}, "qualification_count"),
        ({"order": "alphabetical"}, "order"),
        ({"name": ""}, "name"),
        ({"lease_minutes": 1}, "lease_minutes"),
        ({"blind_rate": float("nan")}, "blind_rate"),
    ],
)
def test_what_makes_no_sense_is_told_by_its_field_and_nothing_is_saved(
    cast: Cast, changes: dict[str, Any], field: str
) -> None:
    before = Project.objects.filter(pk=cast.project.pk).values().get()
    with pytest.raises(RulesError) as refusal:
        change(cast, **({"guidelines": "new"} | changes))
    assert list(refusal.value.faults) == [field]
    assert refusal.value.faults[field]
    assert Project.objects.filter(pk=cast.project.pk).values().get() == before
    assert not Event.objects.exists()


def test_quotas_are_of_categories_there_are_and_at_most_the_whole(cast: Cast) -> None:
    for name in ("mugs", "shoes"):
        item_make(cast.project, image=image_make(category=name))
    change(cast, {"mugs": 0.7, "shoes": 0.3})
    assert quotas_of(cast.project) == {"mugs": 0.7, "shoes": 0.3}
    for bad in ({"hats": 0.1}, {"mugs": 0.7, "shoes": 0.4}, {"mugs": 0.0}):
        with pytest.raises(RulesError) as refusal:
            change(cast, bad)
        assert list(refusal.value.faults) == ["quotas"]
    change(cast, {"mugs": 0.5})
    assert quotas_of(cast.project) == {"mugs": 0.5}
    assert Event.objects.latest("id").before["quotas"] == {"mugs": 0.7, "shoes": 0.3}


def test_more_votes_and_fewer_hold_for_pictures_that_are_open(cast: Cast) -> None:
    item, done = item_make(cast.project), item_make(cast.project)
    done.state = "settled"
    done.save()
    change(cast, overlap=3)
    assert item.assignments.filter(state="free").count() == 3
    assert done.assignments.count() == 2
    (held,) = lease_next(user=cast.ann, project=cast.project)
    change(cast, overlap=1)
    states = sorted(item.assignments.values_list("slot", "state"))
    assert [state for slot, state in states if slot > 1] == ["closed", "closed"]
    assert Assignment.objects.get(pk=held.pk).state == "leased"
    change(cast, overlap=2)
    assert item.assignments.filter(state__in=["free", "leased"]).count() == 2


def test_only_admins_change_rules(cast: Cast) -> None:
    others = ((cast.rui, NotAllowedError), (cast.ann, NotAllowedError), (cast.mallory, NotThereError))
    for by, refusal in others:
        with pytest.raises(refusal):
            project_change(by=by, project=cast.project, changes={"overlap": 1})
    assert Project.objects.get().overlap == 2


def test_the_page_takes_percent_and_quotas_line_by_line(cast: Cast, client: Client) -> None:
    item_make(cast.project, image=image_make(category="red mugs"))
    said = form_of(cast, client, blind_rate="12.5", quotas="red mugs: 40 %\n", order="random")
    assert client.post(reverse("project-rules"), said).status_code == 302
    cast.project.refresh_from_db()
    assert (cast.project.blind_rate, cast.project.order) == (0.125, "random")
    assert quotas_of(cast.project) == {"red mugs": 0.4}
    page = client.get(reverse("project-rules")).content.decode()
    assert 'value="12.5"' in page
    assert "red mugs: 40" in page
    assert Event.objects.filter(verb="project.change").count() == 1


def test_the_page_says_beside_the_field_what_is_wrong(cast: Cast, client: Client) -> None:
    said = form_of(cast, client, overlap="4", max_overlap="2", quotas="mugs", blind_rate="x")
    answer = client.post(reverse("project-rules"), said)
    assert answer.status_code == 422
    assert {"quotas", "blind_rate"} <= set(answer.context["form"].errors)
    said = form_of(cast, client, overlap="4", max_overlap="2")
    answer = client.post(reverse("project-rules"), said)
    assert answer.status_code == 422
    assert "at least as many votes as elsewhere" in answer.content.decode()
    cast.project.refresh_from_db()
    assert cast.project.overlap == 2
    assert not Event.objects.filter(verb="project.change").exists()
