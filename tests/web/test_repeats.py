import logging
import threading
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from shared.errors import CredentialsError, ForbiddenError, PermanentError, TransientError
from shared.web import repeats
from shared.web.operations import operations_of
from tests.factories import CONFIG
from tests.web.conftest import Caller

CONNECTORS = "/api/v2/connectors"


def send(caller: Caller, path: str, body: object, key: str) -> TestResponse:
    headers = {"Authorization": f"Bearer {caller.key}", "Idempotency-Key": key}
    return caller.client.post(path, json=body, headers=headers)


def connector(name: str = "Flights") -> dict:
    return {"type": "database", "name": name, "config": CONFIG}


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


def test_a_repeated_creation_gets_the_first_answer_and_makes_nothing(
    alice: Caller, engine: Engine
) -> None:
    first = send(alice, CONNECTORS, connector(), "k1")
    again = send(alice, CONNECTORS, connector(), "k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json == first.json
    for name in ("Location", "ETag", "Content-Type"):
        assert again.headers[name] == first.headers[name]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(engine, "workspace_connector") == 1


def test_a_repeated_trigger_gets_the_same_run(alice: Caller, queue_client: object) -> None:
    path = f"/api/v2/sync-schedules/{alice.new_schedule()['id']}/trigger"
    first, again = send(alice, path, {}, "k1"), send(alice, path, {}, "k1")
    assert (again.status_code, again.json["id"]) == (202, first.json["id"])
    other = send(alice, path, {}, "k2")
    assert (other.status_code, other.json["run_id"]) == (409, first.json["id"])


def test_a_key_is_for_one_request(alice: Caller) -> None:
    send(alice, CONNECTORS, connector(), "k1")
    other = send(alice, CONNECTORS, connector("Other"), "k1")
    assert other.status_code == 422
    assert other.json["errors"][0]["code"] == "idempotency_key_reused"


def test_a_key_means_something_else_on_another_path(alice: Caller, queue_client: object) -> None:
    one, two = alice.new_schedule(name="a")["id"], alice.new_schedule(name="b")["id"]
    assert send(alice, f"/api/v2/sync-schedules/{one}/trigger", {}, "k1").status_code == 202
    other = send(alice, f"/api/v2/sync-schedules/{two}/trigger", {}, "k1")
    assert other.json["errors"][0]["code"] == "idempotency_key_reused"


def test_a_key_is_its_workspaces_own(alice: Caller, mallory: Caller) -> None:
    first = send(alice, CONNECTORS, connector(), "k1").json
    theirs = send(mallory, CONNECTORS, connector(), "k1")
    assert theirs.status_code == 201
    assert theirs.json["id"] != first["id"]


@pytest.mark.parametrize("key", ["x" * 256, "a b", "ü"])
def test_a_key_that_cannot_be_one_is_refused(alice: Caller, key: str) -> None:
    answer = send(alice, CONNECTORS, connector(), key)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["code"] == "idempotency_key_form"


def test_a_key_that_would_not_be_heeded_is_refused(alice: Caller) -> None:
    schedule = alice.new_schedule()["id"]
    headers = {"Authorization": f"Bearer {alice.key}", "Idempotency-Key": "k1"}
    path = f"/api/v2/sync-schedules/{schedule}"
    refused = alice.client.post(f"{path}/pause", json={}, headers=headers)
    assert refused.status_code == 422
    [error] = refused.json["errors"]
    assert (error["pointer"], error["code"]) == ("/Idempotency-Key", "idempotency_key_not_taken")
    assert alice.client.get(path, headers=headers).json["is_paused"] is False


def test_a_request_that_was_refused_may_be_mended_under_its_key(
    alice: Caller, engine: Engine
) -> None:
    wrong = connector() | {"type": "nothing"}
    assert send(alice, CONNECTORS, wrong, "k1").status_code == 422
    assert count(engine, "repeatable_request") == 0
    assert send(alice, CONNECTORS, connector(), "k1").status_code == 201


@pytest.mark.parametrize("code", ["name_taken", "rate_limited", "foreign_key_integrity"])
def test_every_kind_of_refusal_lets_its_key_be_used_for_something_else(
    alice: Caller, engine: Engine, queue_client: object, code: str
) -> None:
    schedule = alice.new_schedule()
    path, refused = CONNECTORS, connector("for nightly")
    if code == "rate_limited":
        path, refused = f"/api/v2/sync-schedules/{schedule['id']}/trigger", {}
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO trigger_allowance (workspace_id, spent_until)"
                    " SELECT id, now() + interval '1 hour' FROM workspace"
                )
            )
    elif code == "foreign_key_integrity":
        path = "/api/v2/sync-schedules"
        refused = {"connector_id": str(uuid4()), "name": "nightly", "frequency": "manual"}
    assert send(alice, path, refused, "k1").json["code"] == code
    assert count(engine, "repeatable_request") == 0


def test_requests_at_once_with_one_key_make_one_thing(alice: Caller, engine: Engine) -> None:
    answers: list[TestResponse] = []
    threads = [
        threading.Thread(target=lambda: answers.append(send(alice, CONNECTORS, connector(), "k1")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json["id"] for answer in answers if answer.status_code == 201}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json["code"] == "idempotency_key_in_progress"
            assert int(answer.headers["Retry-After"]) >= 1
    assert count(engine, "workspace_connector") == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError(), 500),
        (TransientError("The source is away."), 424),
        (PermanentError("The key is gone."), 424),
        (ForbiddenError("The workspace is disabled.", code="workspace_disabled"), 403),
        (CredentialsError("Your key ended."), 401),
    ],
)
def test_a_request_that_broke_off_after_it_made_something_is_carried_on(
    alice: Caller, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def break_off(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("shared.web.connectors.present_connector", break_off)
        assert send(alice, CONNECTORS, connector(), "k1").status_code == status
    assert count(engine, "workspace_connector") == 1

    again = send(alice, CONNECTORS, connector(), "k1")

    assert again.status_code == 201
    assert [one["id"] for one in alice.get(CONNECTORS).json["items"]] == [again.json["id"]]


def test_what_a_request_made_that_broke_off_may_be_deleted_before_it_is_repeated(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("shared.web.connectors.present_connector", break_off)
        assert send(alice, CONNECTORS, connector(), "k1").status_code == 500
    [made] = alice.get(CONNECTORS).json["items"]
    headers = {"Authorization": f"Bearer {alice.key}"}
    assert alice.client.delete(f"{CONNECTORS}/{made['id']}", headers=headers).status_code == 204
    again = send(alice, CONNECTORS, connector(), "k1")
    assert (again.status_code, again.json["code"]) == (409, "connector_deleted")


def test_a_trigger_that_broke_off_finds_its_own_run(
    alice: Caller, engine: Engine, queue_client: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/v2/sync-schedules/{alice.new_schedule()['id']}/trigger"

    def break_off(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("shared.web.schedules.present_run", break_off)
        assert send(alice, path, {}, "k1").status_code == 500
    again = send(alice, path, {}, "k1")
    assert again.status_code == 202
    assert count(engine, "workspace_connector_sync_log") == 1


def break_keys(engine: Engine, when: str) -> None:
    """Let the database refuse some changes of keys that are taken."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE 'broken' USING ERRCODE = 'lock_not_available'; END $$"
            )
        )
        connection.execute(
            text(f"CREATE TRIGGER refuse_change BEFORE {when} EXECUTE FUNCTION refuse_change()")
        )


def mend_keys(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER refuse_change ON repeatable_request"))


OF_A_KEY = "ON repeatable_request FOR EACH ROW"
FORGETTING = f"DELETE {OF_A_KEY}"
STORING = f"UPDATE {OF_A_KEY} WHEN (NEW.status IS NOT NULL)"
STORING_OR_UNLOCKING = f"UPDATE {OF_A_KEY} WHEN (NEW.claims = OLD.claims)"


def test_an_answer_that_cannot_be_stored_is_given_and_a_repeat_finds_what_was_made(
    alice: Caller, engine: Engine
) -> None:
    break_keys(engine, STORING)
    first = send(alice, CONNECTORS, connector(), "k1")
    mend_keys(engine)
    again = send(alice, CONNECTORS, connector(), "k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json["id"] == first.json["id"]
    assert "Idempotency-Replayed" not in again.headers
    assert send(alice, CONNECTORS, connector(), "k1").headers["Idempotency-Replayed"] == "true"


def test_a_key_that_cannot_even_be_unlocked_costs_no_answer_and_is_told_of(
    alice: Caller, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    break_keys(engine, STORING_OR_UNLOCKING)
    with caplog.at_level(logging.WARNING):
        first = send(alice, CONNECTORS, connector(), "k1")
    mend_keys(engine)
    assert first.status_code == 201
    said = [one.syncline_fields for one in caplog.records if one.name == repeats.__name__]
    assert [(one["event"], one["operation"]) for one in said] == [
        ("idempotency_key_unsettled", "create_connector")
    ] * 2
    assert send(alice, CONNECTORS, connector(), "k1").json["code"] == "idempotency_key_in_progress"
    with engine.begin() as connection:
        connection.execute(text("UPDATE repeatable_request SET locked_until = now()"))
    assert send(alice, CONNECTORS, connector(), "k1").json["id"] == first.json["id"]


@pytest.mark.parametrize(
    ("broken", "body", "status"),
    [(FORGETTING, {"type": "nothing"}, 422), (STORING_OR_UNLOCKING, {}, 500)],
)
def test_a_refusal_stays_what_it_is_when_its_key_cannot_be_let_go(
    alice: Caller,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    body: dict,
    status: int,
) -> None:
    def break_off(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("shared.web.connectors.present_connector", break_off)
    break_keys(engine, broken)
    assert send(alice, CONNECTORS, connector() | body, "k1").status_code == status


def test_after_a_day_a_key_is_new(alice: Caller, engine: Engine) -> None:
    first = send(alice, CONNECTORS, connector(), "k1").json
    with engine.begin() as connection:
        connection.execute(text("UPDATE repeatable_request SET expires_at = now()"))
    second = send(alice, CONNECTORS, connector("Other"), "k1")
    assert second.status_code == 201
    assert second.json["id"] != first["id"]


def test_neither_key_nor_secret_of_a_body_is_stored(alice: Caller, engine: Engine) -> None:
    key, password = f"key-{uuid4()}", f"canary-{uuid4()}"
    body = connector()
    body["config"] = {**CONFIG, "password": password}
    assert send(alice, CONNECTORS, body, key).status_code == 201
    with engine.connect() as connection:
        [row] = connection.execute(text("SELECT q::text FROM repeatable_request AS q")).scalars()
    assert key not in row
    assert key.encode().hex() not in row
    assert password not in row


def test_a_route_that_shows_a_secret_keeps_no_answer(app: Flask) -> None:
    kept = {one.id for one in operations_of(app) if one.takes.key}
    assert {"create_connector", "create_schedule", "trigger_schedule"} <= kept
    assert kept.isdisjoint({"make_dataset_reader", "rotate_webhook_endpoint"})
