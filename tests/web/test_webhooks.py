"""Webhook endpoints and the messages that come to them, over HTTP."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from standardwebhooks.webhooks import Webhook
from werkzeug.test import TestResponse

from tests.web.conftest import Caller

pytestmark = pytest.mark.usefixtures("queue_client")
ENDPOINTS = "/api/v2/webhook-endpoints"


def new_endpoint(caller: Caller, **values: object) -> dict:
    schedule = caller.new_schedule(frequency="realtime", preferred_time=None)
    body = {"connector_id": schedule["connector_id"], "name": "shop", **values}
    answer = caller.post(ENDPOINTS, body)
    assert answer.status_code == 201, answer.text
    return answer.json


def send(
    caller: Caller, endpoint: dict, body: bytes = b'{"id": 7}', message_id: str = ""
) -> TestResponse:
    """Send a message as the source does: signed, and without a key of the API."""
    now = datetime.now(UTC)
    message_id = message_id or f"msg_{uuid4().hex}"
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(endpoint["secret"]).sign(message_id, now, body.decode()),
    }
    return caller.client.post(endpoint["path"], data=body, headers=headers)


def delete(caller: Caller, path: str) -> TestResponse:
    return caller.client.delete(path, headers={"Authorization": f"Bearer {caller.key}"})


def test_a_message_starts_a_run_of_the_endpoints_connector(alice: Caller) -> None:
    endpoint = new_endpoint(alice)

    answers = [send(alice, endpoint, message_id=name) for name in ("a", "b", "a")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json["result"] for answer in answers] == ["accepted", "accepted", "seen"]
    [run] = alice.get("/api/v2/runs?trigger_type=webhook").json["items"]
    assert run["connector_id"] == endpoint["connector_id"]
    shown = alice.get(f"{ENDPOINTS}/{endpoint['id']}").json
    assert shown["last_used_at"] is not None


def test_a_secret_is_shown_once_and_stored_nowhere_in_plain(alice: Caller, engine: Engine) -> None:
    endpoint = new_endpoint(alice)
    path = f"{ENDPOINTS}/{endpoint['id']}"

    shown = [alice.get(path).text, alice.get(ENDPOINTS).text]

    assert not any(endpoint["secret"] in text for text in shown)
    with engine.connect() as connection:
        row = str(connection.execute(text("SELECT * FROM webhook_endpoint")).all())
    assert endpoint["secret"] not in row


def test_a_rotation_gives_a_new_secret_and_takes_the_old_one_for_a_while(alice: Caller) -> None:
    old = new_endpoint(alice)
    new = alice.post(f"{ENDPOINTS}/{old['id']}/rotate").json

    assert new["secret"] != old["secret"]
    assert [send(alice, one).status_code for one in (old, new)] == [200, 200]

    alice.post(f"{ENDPOINTS}/{old['id']}/rotate", {"overlap_seconds": 0})
    assert [send(alice, one).status_code for one in (old, new)] == [401, 401]


def test_a_report_to_a_paused_schedule_is_kept_and_shown(alice: Caller) -> None:
    endpoint = new_endpoint(alice)
    [schedule] = alice.get("/api/v2/sync-schedules").json["items"]
    assert schedule["change_reported_at"] is None
    path = f"/api/v2/sync-schedules/{schedule['id']}"
    alice.post(f"{path}/pause", {})

    answer = send(alice, endpoint)

    assert answer.json == {"result": "accepted", "waits_for": "paused"}
    assert alice.get(path).json["change_reported_at"] is not None
    assert alice.get("/api/v2/runs?trigger_type=webhook").json["items"] == []


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_repeated_creation_makes_no_second_endpoint_and_shows_no_secret(
    alice: Caller, monkeypatch: pytest.MonkeyPatch, *, is_lost: bool
) -> None:
    connector = new_endpoint(alice)["connector_id"]
    body = {"connector_id": connector, "name": "another"}
    headers = {"Authorization": f"Bearer {alice.key}", "Idempotency-Key": "k1"}

    def break_off(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        if is_lost:
            patch.setattr("shared.web.webhook_endpoints._with_secret", break_off)
        first = alice.client.post(ENDPOINTS, json=body, headers=headers)
    assert first.status_code == (500 if is_lost else 201)
    again = alice.client.post(ENDPOINTS, json=body, headers=headers)
    assert (again.status_code, again.json["secret"]) == (201, None)
    assert [one["name"] for one in alice.get(ENDPOINTS).json["items"]] == ["shop", "another"]


def test_a_rotation_takes_no_idempotency_key(alice: Caller) -> None:
    path = f"{ENDPOINTS}/{new_endpoint(alice)['id']}/rotate"
    headers = {"Authorization": f"Bearer {alice.key}", "Idempotency-Key": "k1"}
    [error] = alice.client.post(path, json={}, headers=headers).json["errors"]
    assert error["code"] == "idempotency_key_not_taken"


def test_a_header_that_means_something_else_cannot_hold_the_secret(alice: Caller) -> None:
    schedule = alice.new_schedule(frequency="realtime", preferred_time=None)
    body = {
        "connector_id": schedule["connector_id"],
        "name": "shop",
        "scheme": "shared_secret",
        "secret_header": "X-Request-Id",
    }
    answer = alice.post(ENDPOINTS, body)
    assert answer.status_code == 422
    assert "X-Webhook-Secret" in answer.text


def test_an_unknown_endpoint_and_a_wrong_signature_get_the_same_answer(alice: Caller) -> None:
    endpoint = new_endpoint(alice)
    wrong = {**endpoint, "secret": "whsec_" + "A" * 44}
    nowhere = {**endpoint, "path": f"/hooks/{uuid4()}"}

    answers = [send(alice, one) for one in (wrong, nowhere)]
    unsigned = alice.client.post(endpoint["path"], data=b"x")

    for answer in (*answers, unsigned):
        assert (answer.status_code, answer.json["code"]) == (401, "hook_refused")
    first, second = ({**one.json, "request_id": ""} for one in answers)
    assert first == second


def test_a_body_above_one_mebibyte_is_refused_and_one_of_any_type_is_taken(alice: Caller) -> None:
    endpoint = new_endpoint(alice)
    assert send(alice, endpoint, b"x" * (1 << 20)).status_code == 200
    assert send(alice, endpoint, b"x" * ((1 << 20) + 1)).status_code == 413


def test_only_a_realtime_schedule_has_endpoints(alice: Caller) -> None:
    schedule = alice.new_schedule()
    body = {"connector_id": schedule["connector_id"], "name": "shop"}
    answer = alice.post(ENDPOINTS, body)
    assert (answer.status_code, answer.json["code"]) == (409, "needs_realtime_schedule")


def test_more_messages_than_the_rate_are_told_when_to_come_again(
    alice: Caller, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = app.extensions["syncline"]
    monkeypatch.setattr(parts, "settings", replace(parts.settings, hooks_per_minute=1))
    endpoint = new_endpoint(alice)

    first, second = send(alice, endpoint), send(alice, endpoint)

    assert (first.status_code, second.status_code) == (200, 429)
    assert 0 < int(second.headers["Retry-After"]) <= 60


def test_who_may_do_what_with_an_endpoint(
    alice: Caller, bob: Caller, mallory: Caller, stranger: Caller
) -> None:
    endpoint = new_endpoint(alice)
    path = f"{ENDPOINTS}/{endpoint['id']}"
    body = {"connector_id": endpoint["connector_id"], "name": "theirs"}

    assert [one.get(path).status_code for one in (bob, mallory, stranger)] == [200, 404, 401]
    assert mallory.get(ENDPOINTS).json["items"] == []
    query = f"{ENDPOINTS}?connector_id={endpoint['connector_id']}"
    assert mallory.get(query).json["items"] == []
    assert [one.post(ENDPOINTS, body).status_code for one in (bob, mallory)] == [403, 404]
    assert [one.post(f"{path}/rotate").status_code for one in (bob, mallory)] == [403, 404]
    assert [delete(one, path).status_code for one in (bob, mallory, alice)] == [403, 404, 204]
    assert send(alice, endpoint).status_code == 401
