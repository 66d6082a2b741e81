"""Keys are made, changed and revoked by admins, and shown once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from shared.clock import utc_now
from shared.domain.access import Role
from shared.errors import CredentialsError, ForbiddenError
from shared.flow import api_keys
from shared.flow.api_keys import create_key
from shared.flow.manage import create_api_key
from shared.web.app import create_app
from shared.wiring import Wiring
from tests.factories import Tenant, give_key, make_principal
from tests.web.conftest import Caller

KEYS = "/api/v2/workspace/api-keys"
LATER = "2099-01-01T00:00:00Z"


def own_key(caller: Caller) -> dict:
    """Return the key with which somebody calls."""
    prefix = caller.key.split("_")[1]
    [found] = [one for one in caller.get(KEYS).json["items"] if one["prefix"] == prefix]
    return found


def new_key(caller: Caller, **values: object) -> dict:
    answer = caller.post(KEYS, {"name": "program", "role": "viewer", **values})
    assert answer.status_code == 201, answer.text
    return answer.json


def audit_of(engine: Engine) -> list[tuple]:
    with engine.connect() as connection:
        query = text(
            "SELECT action, object_name, actor_name FROM audit_log"
            " WHERE actor_kind <> 'operator' ORDER BY seq"
        )
        return [tuple(row) for row in connection.execute(query)]


def test_a_key_opens_what_its_role_allows_from_the_first_request(alice: Caller) -> None:
    made = new_key(alice, name="Nightly report", role="editor")
    program = replace(alice, key=made["key"])
    assert made["key"].startswith(f"syn_{made['prefix']}_")
    assert program.get("/api/v2/workspace/me").json["role"] == "editor"
    assert program.get(KEYS).status_code == 403
    assert made["created_by"]["name"] == "alice"
    assert made["created_by"]["id"] == own_key(alice)["id"]


def test_the_whole_of_a_key_is_shown_once_and_stored_nowhere(alice: Caller, engine: Engine) -> None:
    made = new_key(alice)
    secret = made["key"].rpartition("_")[2]
    shown = [alice.get(KEYS).text, alice.get(f"{KEYS}/{made['id']}").text]
    assert not any(secret in one for one in shown)
    with engine.connect() as connection:
        for table in ("api_key", "audit_log", "repeatable_request"):
            rows = connection.execute(text(f"SELECT t::text FROM {table} AS t")).scalars()
            assert not any(secret in row for row in rows), table


def test_whoever_repeats_a_request_makes_no_second_key_and_learns_no_secret(
    alice: Caller, engine: Engine
) -> None:
    headers = {**alice._headers(), "Idempotency-Key": "once"}
    body = {"name": "program", "role": "viewer"}
    first = alice.client.post(KEYS, json=body, headers=headers)
    again = alice.client.post(KEYS, json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == {**first.json, "key": None}
    secret = first.json["key"].rpartition("_")[2]
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT r::text FROM repeatable_request AS r")).scalars()
        assert not any(secret in row for row in stored)
    assert len(alice.get(KEYS).json["items"]) == 2


def test_a_request_that_broke_off_after_the_key_was_made_finds_it(
    wiring: Wiring, tenant: Tenant, engine: Engine
) -> None:
    wanted = {"name": "program", "role": Role.VIEWER, "expires_at": None, "public_id": uuid4()}
    caller = give_key(engine, tenant.principal)
    first = create_key(engine, caller, **wanted)
    again = create_key(engine, caller, **wanted)
    assert (again.row["id"], again.text) == (first.row["id"], None)


def test_a_key_is_revoked_at_once_on_every_instance(
    alice: Caller, app: Flask, wiring: Wiring
) -> None:
    made = new_key(alice, role="admin")
    elsewhere = Wiring(wiring.settings, service="api")
    other = Caller(create_app(elsewhere).test_client(), made["key"])
    assert other.get(KEYS).status_code == 200
    assert alice.delete(f"{KEYS}/{made['id']}").status_code == 204
    refused = other.get(KEYS)
    elsewhere.close()
    assert (refused.status_code, refused.json["code"]) == (401, "unauthenticated")
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert alice.get(f"{KEYS}/{made['id']}").json["revoked_at"] is not None


def test_a_key_that_is_revoked_stays_so_and_changes_no_more(alice: Caller) -> None:
    made = new_key(alice)
    path = f"{KEYS}/{made['id']}"
    assert alice.delete(path).status_code == 204
    before = alice.get(path).json
    assert alice.delete(path).status_code == 204
    assert alice.get(path).json == before
    refused = alice.patch(path, {"name": "again"})
    assert (refused.status_code, refused.json["code"]) == (409, "key_revoked")


def test_a_key_that_has_expired_stays_so(alice: Caller, engine: Engine) -> None:
    made = new_key(alice, expires_at=LATER)
    with engine.begin() as connection:
        ended = text("UPDATE api_key SET expires_at = now() WHERE public_id = :key")
        connection.execute(ended, {"key": made["id"]})
    for change in ({"name": "again"}, {"expires_at": None}, {"expires_at": LATER}):
        refused = alice.patch(f"{KEYS}/{made['id']}", change)
        assert (refused.status_code, refused.json["code"]) == (409, "key_expired")


def test_name_and_end_of_a_key_are_changed_and_its_role_is_not(alice: Caller) -> None:
    made = new_key(alice)
    path = f"{KEYS}/{made['id']}"
    changed = alice.patch(path, {"name": "other", "expires_at": LATER}).json
    assert (changed["name"], changed["expires_at"]) == ("other", "2099-01-01T00:00:00Z")
    assert alice.patch(path, {"expires_at": None}).json["expires_at"] is None
    assert alice.patch(path, {"role": "admin"}).status_code == 422
    assert alice.get(path).json["role"] == "viewer"


def test_a_change_that_somebody_else_overtook_is_refused(alice: Caller) -> None:
    made = new_key(alice)
    path = f"{KEYS}/{made['id']}"
    tag = alice.get(path).headers["ETag"]
    headers = {**alice._headers(), "If-Match": tag}
    replace(alice, key=made["key"]).get("/api/v2/workspace/me")  # its use is no change
    assert alice.client.patch(path, json={"name": "a"}, headers=headers).status_code == 200
    assert alice.client.patch(path, json={"name": "b"}, headers=headers).status_code == 412
    assert alice.client.delete(path, headers=headers).status_code == 412


def test_a_key_ends_at_its_instant(alice: Caller, engine: Engine) -> None:
    made = new_key(alice, expires_at=(utc_now() + timedelta(days=1)).isoformat())
    program = replace(alice, key=made["key"])
    assert program.get("/api/v2/workspace/me").status_code == 200
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE api_key SET expires_at = now() WHERE public_id = :id"), {"id": made["id"]}
        )
    assert program.get("/api/v2/workspace/me").status_code == 401


def test_a_key_that_cannot_be_is_refused(alice: Caller) -> None:
    wrong = [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at_passed"),
        ({"expires_at": "tomorrow"}, "instant_form"),
        ({"expires_at": "2099-01-01T00:00:00"}, "instant_form"),
        ({"role": "owner"}, "enum"),
        ({"role": None}, "enum"),
        ({"name": " "}, "string_too_short"),
        ({"secret": "mine"}, "extra_forbidden"),
    ]
    for values, code in wrong:
        answer = alice.post(KEYS, {"name": "program", "role": "viewer", **values})
        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, code)


def test_the_last_admin_is_not_shut_out(alice: Caller) -> None:
    path = f"{KEYS}/{own_key(alice)['id']}"
    refused = [alice.delete(path), alice.patch(path, {"expires_at": LATER})]
    assert [(one.status_code, one.json["code"]) for one in refused] == [(409, "last_admin")] * 2
    assert alice.patch(path, {"name": "only"}).status_code == 200

    other = new_key(alice, role="admin")
    assert alice.patch(path, {"expires_at": LATER}).status_code == 200
    assert alice.delete(path).status_code == 204
    assert alice.get(KEYS).status_code == 401
    heir = replace(alice, key=other["key"])
    assert heir.delete(f"{KEYS}/{other['id']}").json["code"] == "last_admin"


def test_nobody_makes_a_key_with_a_higher_role_than_their_own(
    engine: Engine, tenant: Tenant
) -> None:
    editor = give_key(engine, make_principal(tenant.workspace_id, role=Role.EDITOR))
    with pytest.raises(ForbiddenError):
        create_key(engine, editor, name="higher", role=Role.ADMIN, expires_at=None)
    assert create_key(engine, editor, name="own", role=Role.EDITOR, expires_at=None).text


def test_who_is_revoked_while_their_request_is_under_way_makes_no_key(
    alice: Caller, engine: Engine, tenant: Tenant
) -> None:
    caller = give_key(engine, make_principal(tenant.workspace_id, "mallory"))
    assert alice.delete(f"{KEYS}/{caller.actor.id}").status_code == 204
    with pytest.raises(CredentialsError):
        create_key(engine, caller, name="stays", role=Role.ADMIN, expires_at=None)
    demoted = give_key(engine, make_principal(tenant.workspace_id, role=Role.VIEWER))
    with pytest.raises(CredentialsError):
        create_key(
            engine,
            replace(demoted, role=Role.ADMIN),
            name="higher",
            role=Role.ADMIN,
            expires_at=None,
        )


def test_a_workspace_has_so_many_keys_and_no_more(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "MAX_KEYS", 3)
    made = [new_key(alice) for _ in range(2)]
    refused = alice.post(KEYS, {"name": "more", "role": "viewer"})
    assert (refused.status_code, refused.json["code"]) == (409, "too_many_keys")
    alice.delete(f"{KEYS}/{made[0]['id']}")
    assert new_key(alice)


def test_the_keys_of_a_workspace_are_no_business_of_others(
    alice: Caller, bob: Caller, mallory: Caller
) -> None:
    made = new_key(alice)
    path = f"{KEYS}/{made['id']}"
    for caller, status in ((bob, 403), (mallory, 404)):
        answers = [caller.get(path), caller.patch(path, {"name": "x"}), caller.delete(path)]
        assert [one.status_code for one in answers] == [status] * 3
    assert made["id"] not in mallory.get(KEYS).text
    assert bob.get(KEYS).status_code == 403
    assert bob.post(KEYS, {"name": "x", "role": "viewer"}).status_code == 403


def test_keys_are_listed_in_pages_oldest_first(alice: Caller) -> None:
    made = [new_key(alice)["id"] for _ in range(2)]
    first = alice.get(f"{KEYS}?limit=2").json
    second = alice.get(f"{KEYS}?limit=2&cursor={first['next_cursor']}").json
    listed = [one["id"] for one in (*first["items"], *second["items"])]
    assert listed[1:] == made
    assert second["next_cursor"] is None


def test_every_change_of_a_key_is_in_the_audit_log(alice: Caller, engine: Engine) -> None:
    made = new_key(alice)
    path = f"{KEYS}/{made['id']}"
    alice.patch(path, {"name": "other"})
    alice.patch(path, {"name": "other"})  # changes nothing
    alice.delete(path)
    alice.delete(path)  # is revoked already
    assert audit_of(engine) == [
        ("create_api_key", "program", "alice"),
        ("change_api_key", "other", "alice"),
        ("revoke_api_key", "other", "alice"),
    ]


def test_a_key_names_no_other_workspace_than_its_own(alice: Caller, mallory: Caller) -> None:
    home = alice.get("/api/v2/workspace").json["id"]
    for text_, status in ((home, 200), (str(uuid4()), 403), ("acme", 422)):
        headers = {**alice._headers(), "Syncline-Workspace": text_}
        assert alice.client.get("/api/v2/workspace", headers=headers).status_code == status
    headers = {**mallory._headers(), "Syncline-Workspace": home}
    refused = mallory.client.get("/api/v2/workspace", headers=headers)
    assert (refused.status_code, refused.json["code"]) == (403, "not_a_member")


def test_the_use_of_a_key_is_noted_once_a_minute_and_costs_one_statement(
    engine: Engine, tenant: Tenant, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two round trips: who calls, and what they ask for."""
    key = create_api_key(engine, tenant.workspace_id, name="alice", role=Role.ADMIN)
    caller = Caller(app.test_client(), key)
    caller.get("/api/v2/workspace")
    with app.extensions["syncline"].engine.connect() as connection:
        driver = type(connection.connection.dbapi_connection)
    waits = []
    handle = driver.handle_messages
    monkeypatch.setattr(
        driver, "handle_messages", lambda self, context: (waits.append(1), handle(self, context))
    )

    def cost() -> int:
        waits.clear()
        assert caller.get("/api/v2/workspace").status_code == 200
        return len(waits)

    assert cost() == 2
    with engine.begin() as connection:
        old = datetime(2020, 1, 1, tzinfo=UTC)
        connection.execute(text("UPDATE api_key SET last_used_at = :at"), {"at": old})
    assert cost() == 3
    assert cost() == 2
    with engine.connect() as connection:
        query = text("SELECT last_used_at > now() - interval '1 minute' FROM api_key")
        assert connection.execute(query).scalar_one()
