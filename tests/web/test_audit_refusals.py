"""Refused changes in the audit log, also by keys that open nothing any more."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from shared.domain.audit import OPERATOR
from shared.flow.workspaces import disable_workspace
from tests.factories import Tenant, end_workspace
from tests.web.conftest import Caller

pytestmark = pytest.mark.usefixtures("queue_client")
CONNECTORS = "/api/v2/connectors"
LOG = "/api/v2/audit-log"
NOT_THERE = "f81d4fae-7dec-41d0-8765-00a0c91e6bf6"


def items(caller: Caller, query: str) -> list[dict]:
    answer = caller.get(f"{LOG}?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json["items"]


SHUT_OUT = [
    ("revoked_at = now()", 401, "unauthenticated", "own_key_revoked"),
    ("expires_at = now()", 401, "unauthenticated", "own_key_expired"),
    ("revoked_at = now(), expires_at = now()", 401, "unauthenticated", "own_key_revoked"),
]


@pytest.mark.parametrize(("ending", "status", "answered", "told"), SHUT_OUT)
def test_a_change_by_a_key_that_ended_is_in_the_log_and_the_key_learns_nothing(
    alice: Caller,
    bob: Caller,
    engine: Engine,
    ending: str,
    status: int,
    answered: str,
    told: str,
) -> None:
    made_up = replace(alice, key=f"syn_{'0' * 12}_{'0' * 64}").delete(f"{CONNECTORS}/{NOT_THERE}")
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE api_key SET {ending} WHERE name = 'bob'"))

    answer = bob.delete(f"{CONNECTORS}/{NOT_THERE}")
    assert bob.get(f"{CONNECTORS}/{NOT_THERE}").status_code == status

    assert (answer.status_code, answer.json["code"]) == (status, answered)
    for part in ("code", "detail", "title"):
        assert answer.json[part] == made_up.json[part]
    [entry] = items(alice, "outcome=refused")
    assert (entry["action"], entry["code"]) == ("delete_connector", told)
    assert (entry["object"]["kind"], entry["object"]["id"]) == ("connector", NOT_THERE)
    assert (entry["actor"]["kind"], entry["actor"]["name"]) == ("api_key", "bob")
    assert entry["actor"]["address"] == "127.0.0.1"
    assert entry["actor"]["request_id"] == answer.json["request_id"]


def test_a_change_by_a_key_for_another_workspace_is_in_the_log_of_its_own(
    alice: Caller, mallory: Caller
) -> None:
    header = {"Authorization": f"Bearer {mallory.key}"}
    answers = [
        alice.client.delete(
            f"{CONNECTORS}/{NOT_THERE}", headers={**header, "Syncline-Workspace": wanted}
        )
        for wanted in (alice.get("/api/v2/workspace").json["id"], "none")
    ]
    assert [one.status_code for one in answers] == [403, 422]
    assert items(alice, "outcome=refused") == []
    told = items(mallory, "outcome=refused")
    assert [(one["code"], one["actor"]["name"]) for one in told] == [
        ("invalid_input", "mallory"),
        ("not_a_member", "mallory"),
    ]


def test_a_change_in_a_workspace_that_is_disabled_is_in_its_log_and_none_in_a_deleted_one(
    alice: Caller, engine: Engine, tenant: Tenant
) -> None:
    def refusals() -> list[tuple]:
        query = text("SELECT actor_name, code FROM audit_log WHERE outcome = 'refused'")
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]

    disable_workspace(engine, tenant.workspace_id, by=OPERATOR)
    answer = alice.delete(f"{CONNECTORS}/{NOT_THERE}")
    assert (answer.status_code, answer.json["code"]) == (403, "workspace_disabled")
    assert refusals() == [("alice", "workspace_disabled")]
    end_workspace(engine, tenant.workspace_id)
    assert alice.delete(f"{CONNECTORS}/{NOT_THERE}").json["code"] == "workspace_deleted"
    assert len(refusals()) == 1


@pytest.mark.parametrize("ending", ["revoked_at", "expires_at"])
def test_a_key_that_ended_is_bounded_and_tells_nothing_of_its_prefix(
    alice: Caller, bob: Caller, engine: Engine, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr("shared.store.audit.MOST_REFUSED_OF_ENDED_KEYS", 2)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE api_key SET {ending} = now() WHERE name = 'bob'"))
    guess = replace(bob, key=bob.key[:-1] + ("0" if bob.key[-1] != "0" else "1"))
    assert guess.delete(f"{CONNECTORS}/{NOT_THERE}").status_code == 401
    assert items(alice, "outcome=refused") == []
    for _ in range(4):
        bob.delete(f"{CONNECTORS}/{NOT_THERE}")
    assert len(items(alice, "outcome=refused")) == 2
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE refusals_left_out SET first_at = first_at - interval '61 seconds'")
        )
    alice.new_connector()
    [told] = items(alice, "action=leave_out_refusals")
    assert (told["actor"]["name"], told["after"]["left_out"]) == ("bob", 2)


def test_who_is_refused_to_change_a_key_that_ended_takes_no_room_from_such_keys(
    alice: Caller, bob: Caller, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.store.audit.MOST_REFUSED_OF_ENDED_KEYS", 1)
    query = text("UPDATE api_key SET revoked_at = now() WHERE name = 'bob' RETURNING public_id")
    with engine.begin() as connection:
        key = connection.execute(query).scalar_one()
    for _ in range(2):
        answer = alice.patch(f"/api/v2/workspace/api-keys/{key}", {"name": "bobby"})
        assert (answer.status_code, answer.json["code"]) == (409, "key_revoked")
    bob.delete(f"{CONNECTORS}/{NOT_THERE}")
    told = [(one["actor"]["name"], one["code"]) for one in items(alice, "outcome=refused")]
    assert told == [("bob", "own_key_revoked"), *[("alice", "key_revoked")] * 2]
