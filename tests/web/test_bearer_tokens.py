"""Tokens of people, as the API takes and refuses them; every attack is in tests/identity."""

import logging
from dataclasses import replace

import pytest
from flask import Flask

from tests.issuer import Issuer, put_together, rsa_key
from tests.web.conftest import Caller
from tests.web.people import ME, Person, invite, workspace_of


@pytest.fixture
def carol(app: Flask, issuer: Issuer) -> Person:
    return Person(app.test_client(), issuer)


def test_a_token_of_a_member_opens_the_api(alice: Caller, carol: Person) -> None:
    home = carol.join(alice)
    assert carol.call().json["workspace"]["id"] == home


def test_a_bad_token_is_refused_as_rfc_6750_says(alice: Caller, carol: Person) -> None:
    carol.join(alice)
    header = {"alg": "none", "kid": "one"}
    bad = [
        put_together(header, carol.issuer.claims(), None),
        put_together({**header, "alg": "RS256"}, carol.issuer.claims(), rsa_key("mallory")),
        carol.issuer.token(exp=1),
        carol.issuer.token(aud="other"),
        carol.issuer.token(iss="https://other.test"),
        "x" * 10_000,
        "syn_0",
    ]
    for token in bad:
        answer = carol.show(token)
        assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge == 'Bearer realm="syncline", error="invalid_token"'


def test_who_shows_nothing_is_told_of_no_error(alice: Caller) -> None:
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer "}):
        answer = alice.client.get(ME, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="syncline"'


def test_a_role_that_is_not_enough_is_told_so(bob: Caller) -> None:
    answer = bob.post("/api/v2/connectors", {})
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_without_issuers_a_token_is_no_key(alice: Caller) -> None:
    token = put_together({"alg": "RS256", "kid": "one"}, {}, rsa_key("one"))
    answer = replace(alice, key=token).get(ME)
    assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")


def test_the_keys_of_an_issuer_rotate(alice: Caller, carol: Person) -> None:
    carol.join(alice)
    carol.issuer.keys["two"] = rsa_key("two")
    keys = carol.client.application.extensions["syncline"].tokens._issuers[carol.issuer.url][1]
    keys._ask_after = None  # as ten seconds later
    assert carol.show(carol.issuer.token(kid="two")).status_code == 200


def test_an_issuer_that_is_down_is_told_with_the_time_to_come_back(
    alice: Caller, carol: Person
) -> None:
    carol.issuer.is_down = True
    answer = carol.call()
    assert (answer.status_code, answer.json["code"]) == (503, "issuer_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    # Keys of the API itself are none of the issuer's business.
    assert alice.get(ME).status_code == 200


def test_an_issuer_that_goes_down_later_changes_nothing(alice: Caller, carol: Person) -> None:
    carol.join(alice)
    carol.issuer.is_down = True
    assert carol.call().status_code == 200


def test_nothing_of_a_token_is_logged_or_answered(
    alice: Caller, carol: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    invite(alice)
    canary = "canary-of-a-claim"
    tokens = [
        carol.issuer.token(jti=canary),
        carol.issuer.token(sub=canary),
        carol.issuer.token(iss=f"https://{canary}.test"),
        carol.issuer.token(aud=canary),
        put_together({"alg": canary, "kid": canary}, carol.issuer.claims(), rsa_key("one")),
        put_together({"alg": "RS256", "kid": canary}, carol.issuer.claims(), rsa_key("one")),
    ]
    answers = [carol.show(one, home=workspace_of(alice)) for one in tokens]
    assert [one.status_code for one in answers[1:]] == [403, 401, 401, 401, 401]
    said = [one.text + str(one.headers) for one in answers]
    logged = [f"{one.getMessage()} {vars(one)}" for one in caplog.records]
    for secret in (canary, *(token.rpartition(".")[2] for token in tokens)):
        assert not any(secret in one for one in (*said, *logged))


def test_a_key_that_is_none_is_no_error_of_ours(carol: Person) -> None:
    carol.issuer.more_keys.append({"kty": "EC", "crv": "P-256", "kid": "odd", "x": "AA", "y": "AA"})
    token = put_together({"alg": "ES256", "kid": "odd"}, carol.issuer.claims(), rsa_key("one"))
    assert carol.show(token).status_code == 401
