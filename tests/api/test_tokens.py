"""Tokens: shown once, kept hashed, with an end, revoked at once, and never made by one another."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from scoring.models import Event
from tests.api.conftest import Program
from tests.conftest import Cast

pytestmark = pytest.mark.django_db
HERE = "/api/v1/tokens/"


def test_name_and_password_give_a_token_that_opens_the_api(cast: Cast) -> None:
    made = APIClient().post(HERE, {"username": "ann", "password": "ann", "days": 7}, format="json")
    assert made.status_code == 201
    secret = made.json()["token"]
    assert made.json()["id"] == secret[:15]
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    assert client.get("/api/v1/images/").status_code == 200
    row = AuthToken.objects.get()
    assert secret not in (row.digest, row.token_key)
    assert row.expiry is not None
    assert 6 < (row.expiry - timezone.now()).total_seconds() / 86_400 <= 7
    assert Event.objects.filter(verb="token.make", actor=cast.ann).count() == 1


def test_a_login_gives_a_token_only_with_the_page_s_csrf_token(cast: Cast) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(cast.ann)
    refused = client.post(HERE, {}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert not AuthToken.objects.exists()
    plain = APIClient()
    plain.force_login(cast.ann)
    assert plain.post(HERE, {}, format="json").status_code == 201


def test_a_token_cannot_make_another(cast: Cast, program: Program) -> None:
    answer = program(cast.ann).post(HERE, {}, format="json")
    assert answer.status_code == 403
    assert AuthToken.objects.count() == 1


def test_a_wrong_password_is_told_in_the_same_words_as_an_unknown_name(cast: Cast) -> None:
    wrong = APIClient().post(HERE, {"username": "ann", "password": "no"}, format="json")
    unknown = APIClient().post(HERE, {"username": "nobody", "password": "no"}, format="json")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert not AuthToken.objects.exists()


def test_wrong_passwords_lock_the_name_out_whatever_comes_next(cast: Cast, settings: LazySettings) -> None:
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 3
    answers = [
        APIClient().post(HERE, {"username": "ann", "password": word}, format="json")
        for word in ("a", "b", "c", "ann")
    ]
    assert [answer.status_code for answer in answers[-2:]] == [429, 429]
    assert answers[-1].json()["code"] == "locked_out"
    assert not AuthToken.objects.exists()
    assert APIClient().post(HERE, {"username": "ben", "password": "ben"}, format="json").status_code == 201


def test_passwords_are_not_tried_faster_than_ten_a_minute(cast: Cast) -> None:
    answers = [
        APIClient().post(HERE, {"username": f"n{n}", "password": "no"}, format="json") for n in range(11)
    ]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[-1].json()["code"] == "throttled"
    assert 0 < int(answers[-1]["Retry-After"]) <= 60


def test_a_forwarded_address_somebody_made_up_gives_no_more_tries(cast: Cast) -> None:
    answers = [
        APIClient().post(
            HERE, {"username": "ann", "password": "no"}, format="json", HTTP_X_FORWARDED_FOR=f"10.0.0.{n}"
        )
        for n in range(11)
    ]
    assert answers[-1].status_code == 429


def test_a_revoked_token_opens_nothing_and_others_go_on(cast: Cast, program: Program) -> None:
    lost, kept = program(cast.ann), program(cast.ann)
    key = AuthToken.objects.order_by("created").first()
    assert key is not None
    assert [row["id"] for row in kept.get(HERE).json()][-1] == key.token_key
    assert kept.delete(f"{HERE}{key.token_key}/").status_code == 204
    assert lost.get("/api/v1/images/").status_code == 401
    assert kept.get("/api/v1/images/").status_code == 200


def test_nobody_revokes_the_token_of_another(cast: Cast, program: Program) -> None:
    program(cast.ann)
    key = AuthToken.objects.get().token_key
    assert program(cast.ada).delete(f"{HERE}{key}/").status_code == 404
    assert AuthToken.objects.filter(token_key=key).exists()


def test_a_token_past_its_end_is_refused_and_forgotten(cast: Cast, program: Program) -> None:
    client = program(cast.ann)
    AuthToken.objects.update(expiry=timezone.now())
    assert client.get("/api/v1/images/").status_code == 401
    assert not AuthToken.objects.exists()


def test_the_token_of_a_person_who_left_is_refused(cast: Cast, program: Program) -> None:
    client = program(cast.ann)
    cast.ann.is_active = False
    cast.ann.save()
    assert client.get("/api/v1/images/").status_code == 401


@pytest.mark.parametrize(
    "header", ["Token", "Token a b", "Token \xff\xfe", "Token " + "x" * 4000, "Bearer x"]
)
def test_a_token_that_is_none_is_a_401_in_json(db: None, header: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    answer = client.get("/api/v1/images/")
    assert answer.status_code == 401
    assert set(answer.json()) == {"code", "detail"}


def test_a_person_keeps_twenty_tokens_at_most(cast: Cast) -> None:
    for _ in range(20):
        AuthToken.objects.create(user=cast.ann)
    answer = APIClient().post(HERE, {"username": "ann", "password": "ann"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_tokens")
    assert AuthToken.objects.count() == 20
