"""How pages say no, to a browser, to htmx and to a program; and who gets past the door."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from iqa_site.login import one_time_path
from iqa_site.refusals import server_error
from labeling.models import Membership, Project
from tests.conftest import Cast

OPEN_TO_ALL = {
    "admin/login/",
    "livez",
    "readyz",
    "login",
    "login-by-token",
    "logout",
    "set_language",
    "theme",
}


def patterns(resolver: URLResolver) -> list[URLPattern]:
    found: list[URLPattern] = []
    for entry in resolver.url_patterns:
        found += patterns(entry) if isinstance(entry, URLResolver) else [entry]
    return found


@pytest.fixture
def ann(cast: Cast, client: Client) -> Client:
    client.force_login(cast.ann)
    return client


def test_a_browser_gets_a_page_with_the_status_and_a_way_on(ann: Client) -> None:
    answer = ann.post("/project/", {"project": "0"})
    assert answer.status_code == 404
    assert "There is no such project for you." in answer.content.decode()
    assert 'href="/"' in answer.content.decode()


def test_htmx_gets_a_notice_beside_the_page_instead_of_a_page_inside_it(ann: Client) -> None:
    answer = ann.post("/project/", {"project": "0"}, headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Retarget"], answer["HX-Reswap"]) == (404, "#notices", "beforeend")
    assert "<html" not in answer.content.decode()


def test_a_program_gets_the_shape_of_the_api(ann: Client) -> None:
    answer = ann.post("/project/", {"project": "0"}, headers={"Accept": "application/json"})
    assert answer.status_code == 404
    assert answer.json() == {"code": "not_found", "detail": "There is no such project for you."}


def test_a_refused_choice_leaves_the_project_as_it_was(ann: Client, cast: Cast) -> None:
    other = Project.objects.create(name="Other")
    ann.post("/project/", {"project": other.pk})
    assert "project" not in ann.session
    Membership.objects.create(project=other, user=cast.ann, role="annotator")
    assert ann.post("/project/", {"project": other.pk}).status_code == 302
    assert ann.session["project"] == other.pk


def test_an_address_below_the_api_that_is_not_there_is_refused_in_json(ann: Client) -> None:
    answer = ann.get("/api/v1/nothing/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_form_without_its_token_is_refused_with_words(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.ann)
    answer = client.post("/project/", {"project": cast.project.pk})
    assert answer.status_code == 403
    assert "Load it again" in answer.content.decode()


def test_a_broken_server_answers_without_database_or_session() -> None:
    from django.test import RequestFactory

    page = server_error(RequestFactory().get("/"))
    assert (page.status_code, "Something broke" in page.content.decode()) == (500, True)
    told = server_error(RequestFactory().get("/api/v1/models/"))
    assert json.loads(told.content)["code"] == "server_error"


def test_strangers_are_sent_to_the_door_and_come_back_where_they_wanted(client: Client, db: None) -> None:
    answer = client.get("/people/?x=1")
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/people/%3Fx%3D1")


def test_strangers_without_a_browser_hear_401_and_htmx_moves_the_whole_page(client: Client, db: None) -> None:
    told = client.get("/people/", headers={"Accept": "application/json"})
    assert (told.status_code, told.json()["code"]) == (401, "not_logged_in")
    moved = client.get("/people/", headers={"HX-Request": "true"})
    assert moved["HX-Redirect"].startswith("/login/")


def test_only_the_door_the_probes_and_the_switches_are_open_to_all() -> None:
    """The API answers for itself: rest_framework asks for a token there."""
    open_names = {
        pattern.name or str(pattern.pattern)
        for pattern in patterns(get_resolver())
        if getattr(pattern.callback, "login_required", True) is False
        and not hasattr(pattern.callback, "cls")
        and "admin" not in (pattern.lookup_str or "")
    }
    assert open_names <= OPEN_TO_ALL, open_names - OPEN_TO_ALL


def test_every_answer_names_the_powers_it_does_without(client: Client, db: None) -> None:
    answer = client.get("/login/")
    assert "camera=()" in answer["Permissions-Policy"]
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy
    nonce = re.search(r"'nonce-([^']+)'", policy)
    assert nonce is not None
    assert f'nonce="{nonce[1]}"' in answer.content.decode()


def test_too_many_wrong_passwords_are_answered_by_a_page(client: Client, cast: Cast, settings: Any) -> None:
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 2
    answers = [client.post("/login/", {"username": "ann", "password": "wrong"}) for _ in range(3)]
    assert answers[-1].status_code == 429
    assert "Too many tries" in answers[-1].content.decode()
    assert client.post("/login/", {"username": "ann", "password": "ann"}).status_code == 429


def test_a_theme_is_kept_and_only_a_known_one(client: Client, db: None) -> None:
    kept = client.post("/theme/", {"theme": "dark", "next": "/login/"})
    assert (kept["Location"], kept.cookies["vitrine-theme"].value) == ("/login/", "dark")
    assert 'data-theme="dark"' in client.get("/login/").content.decode()
    refused = client.post("/theme/", {"theme": '"><script>', "next": "https://elsewhere.example/"})
    assert refused["Location"] == "/"
    assert "vitrine-theme" not in refused.cookies


def test_a_link_sent_by_chat_survives_those_who_only_look_at_it(client: Client, cast: Cast) -> None:
    address = one_time_path(cast.ben) + "?ask"
    assert client.head(address).status_code == 405
    assert "Log in as ben" in client.get(address).content.decode()
    assert "_auth_user_id" not in client.session
    assert client.post(address).status_code == 302
    assert client.session["_auth_user_id"] == str(cast.ben.pk)
    client.logout()
    assert client.post(address).status_code == 403


def test_who_came_by_a_link_chooses_a_password_without_an_old_one(client: Client, cast: Cast) -> None:
    client.get(one_time_path(cast.ben))
    new = {"new_password1": "quiet grey table", "new_password2": "quiet grey table"}
    assert client.post("/password/", new).status_code == 302
    assert User.objects.get(username="ben").check_password("quiet grey table")
    again = client.post(
        "/password/", {"new_password1": "another long one", "new_password2": "another long one"}
    )
    assert again.status_code == 422
    assert User.objects.get(username="ben").check_password("quiet grey table")
