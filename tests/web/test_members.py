"""People are invited by an address, join by a token, and are known by issuer and subject then."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from shared.domain.access import Role
from shared.errors import ForbiddenError
from shared.flow import members
from shared.flow.members import invite_member
from shared.web.app import create_app
from shared.wiring import Wiring
from tests.factories import Tenant, give_key, make_principal
from tests.issuer import EMAIL, Issuer
from tests.web.conftest import Caller
from tests.web.people import ME, MEMBERS, Person, code_of, invite, workspace_of

UNKNOWN = (403, "not_a_member")
KEYS = "/api/v2/workspace/api-keys"


@pytest.fixture
def carol(app: Flask, issuer: Issuer) -> Person:
    return Person(app.test_client(), issuer)


def test_a_person_is_invited_joins_and_works(alice: Caller, carol: Person) -> None:
    invited = invite(alice, role="editor", name="Carol", email="Carol@Example.com")
    home = workspace_of(alice)
    assert (invited["email"], invited["joined_at"]) == (EMAIL, None)
    assert invited["invited_by"]["name"] == "alice"
    assert carol.call(home=home).json == {
        "kind": "member",
        "id": invited["id"],
        "name": "Carol",
        "role": "editor",
        "workspace": {"id": home, **_named(alice)},
    }
    shown = alice.get(f"{MEMBERS}/{invited['id']}").json
    assert shown["joined_at"] is not None
    # From now on the one workspace need not be named.
    assert carol.call("/api/v2/connectors").status_code == 200
    assert carol.call(MEMBERS).status_code == 403


def _named(caller: Caller) -> dict:
    shown = caller.get("/api/v2/workspace").json
    return {"slug": shown["slug"], "name": shown["name"]}


def test_nobody_joins_a_workspace_that_they_did_not_name(alice: Caller, carol: Person) -> None:
    invited = invite(alice)
    assert code_of(carol.call()) == (403, "invitation_open")
    assert alice.get(f"{MEMBERS}/{invited['id']}").json["joined_at"] is None


def test_an_invitation_does_not_change_what_requests_without_a_name_mean(
    alice: Caller, mallory: Caller, carol: Person
) -> None:
    home = carol.join(alice)
    invite(mallory)
    assert carol.call().json["workspace"]["id"] == home


def test_an_address_that_the_issuer_did_not_verify_joins_nothing(
    alice: Caller, carol: Person
) -> None:
    invite(alice)
    home = workspace_of(alice)
    for verified in (False, None, "true"):
        carol.claims["email_verified"] = verified
        assert code_of(carol.call(home=home)) == UNKNOWN


def test_who_has_the_address_later_is_somebody_else(alice: Caller, carol: Person) -> None:
    home = carol.join(alice)
    heir = Person(carol.client, carol.issuer, {"sub": "heir"})
    assert code_of(heir.call(home=home)) == UNKNOWN
    moved = Person(carol.client, carol.issuer, {"email": "other@example.com"})
    assert moved.call().status_code == 200
    without = Person(carol.client, carol.issuer, {"email": None, "email_verified": None})
    assert without.call().status_code == 200


def test_who_joined_is_not_invited_again(alice: Caller, carol: Person) -> None:
    carol.join(alice)
    again = alice.post(MEMBERS, {"email": EMAIL, "role": "admin"})
    assert code_of(again) == (409, "member_exists")
    [member] = alice.get(MEMBERS).json["items"]
    assert member["role"] == "viewer"


def test_a_person_who_joined_does_not_join_again_by_another_address(
    alice: Caller, carol: Person
) -> None:
    home = carol.join(alice)
    invite(alice, email="other@example.com", role="admin")
    moved = Person(carol.client, carol.issuer, {"email": "other@example.com"})
    assert moved.call(home=home).json["role"] == "viewer"


def test_who_is_removed_is_out_at_once_and_comes_back_by_an_invitation_alone(
    alice: Caller, carol: Person, wiring: Wiring
) -> None:
    home = carol.join(alice, role="admin")
    [first] = alice.get(MEMBERS).json["items"]
    elsewhere = Wiring(wiring.settings, service="api")
    there = Person(create_app(elsewhere).test_client(), carol.issuer)
    assert there.call().status_code == 200
    assert alice.delete(f"{MEMBERS}/{first['id']}").status_code == 204
    refused = there.call(), there.call(home=home)
    elsewhere.close()
    assert [code_of(one) for one in refused] == [UNKNOWN, UNKNOWN]
    assert 'error="insufficient_scope"' in refused[0].headers["WWW-Authenticate"]
    assert alice.get(f"{MEMBERS}/{first['id']}").status_code == 404

    again = invite(alice)
    assert again["id"] != first["id"]
    assert carol.call(home=home).json["role"] == "viewer"


def test_who_is_a_member_of_several_workspaces_says_which(
    alice: Caller, mallory: Caller, carol: Person
) -> None:
    homes = [carol.join(alice, role="viewer"), carol.join(mallory, role="admin")]
    assert code_of(carol.call()) == (422, "workspace_needed")
    roles = [carol.call(home=home).json["role"] for home in homes]
    assert roles == ["viewer", "admin"]
    assert code_of(carol.call(home=str(uuid4()))) == UNKNOWN
    assert code_of(carol.call(home="acme")) == (422, "workspace_form")


def test_a_member_of_one_workspace_is_nobody_in_another(
    alice: Caller, mallory: Caller, carol: Person
) -> None:
    carol.join(alice, role="admin")
    invited = invite(mallory, email="eve@example.com")
    assert carol.call(f"{MEMBERS}/{invited['id']}").status_code == 404
    assert code_of(carol.call(home=workspace_of(mallory))) == UNKNOWN
    schedule = mallory.new_schedule()
    assert carol.call(f"/api/v2/sync-schedules/{schedule['id']}").status_code == 404


def test_a_new_role_holds_from_the_next_request_on(alice: Caller, carol: Person) -> None:
    carol.join(alice)
    [member] = alice.get(MEMBERS).json["items"]
    assert carol.call(MEMBERS).status_code == 403
    alice.patch(f"{MEMBERS}/{member['id']}", {"role": "admin"})
    assert carol.call(MEMBERS).status_code == 200


def test_the_last_admin_is_neither_removed_nor_demoted(
    alice: Caller, carol: Person, engine: Engine
) -> None:
    invited = invite(alice, role="admin")
    with engine.begin() as connection:
        connection.execute(text("UPDATE member SET role = 'admin'"))
    key = alice.get(KEYS).json["items"][0]["id"]
    # Who is invited only administers nothing yet.
    assert alice.delete(f"{KEYS}/{key}").json["code"] == "last_admin"
    carol.call(home=workspace_of(alice))
    assert alice.delete(f"{KEYS}/{key}").status_code == 204

    token = carol.issuer.token()
    headers = {"Authorization": f"Bearer {token}"}
    path = f"{MEMBERS}/{invited['id']}"
    demoted = carol.client.patch(path, json={"role": "editor"}, headers=headers)
    assert code_of(demoted) == (409, "last_admin")
    assert code_of(carol.call(path, method="DELETE")) == (409, "last_admin")
    renamed = carol.client.patch(path, json={"name": "Carol"}, headers=headers)
    assert renamed.json["name"] == "Carol"


def test_people_of_an_issuer_that_is_no_longer_trusted_are_no_admins(
    alice: Caller, carol: Person, engine: Engine
) -> None:
    carol.join(alice, role="admin")
    with engine.begin() as connection:
        # Whoever runs the deployment named another issuer since.
        connection.execute(text("UPDATE member SET issuer = 'https://former.test'"))
    [key] = alice.get(KEYS).json["items"]
    path = f"{KEYS}/{key['id']}"
    assert code_of(alice.delete(path)) == (409, "last_admin")
    ending = alice.patch(path, {"expires_at": "2099-01-01T00:00:00Z"})
    assert code_of(ending) == (409, "last_admin")
    assert alice.get(path).json["expires_at"] is None


def _key_of(person: Person, name: str, role: str) -> dict:
    headers = {"Authorization": f"Bearer {person.issuer.token(**person.claims)}"}
    answer = person.client.post(KEYS, json={"name": name, "role": role}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json


def test_the_keys_of_who_is_removed_stay_unless_they_are_to_be_revoked(
    alice: Caller, carol: Person
) -> None:
    carol.join(alice, role="admin")
    [member] = alice.get(MEMBERS).json["items"]
    keys = [_key_of(carol, name, "viewer") for name in ("one", "two")]
    alice.post(KEYS, {"name": "of another", "role": "viewer"})
    listed = alice.get(f"{KEYS}?created_by={member['id']}").json["items"]
    assert [one["name"] for one in listed] == ["one", "two"]

    assert alice.delete(f"{MEMBERS}/{member['id']}").status_code == 204
    program = Caller(carol.client, keys[0]["key"])
    assert program.get(ME).status_code == 200


def test_keys_are_revoked_with_their_maker_and_each_is_in_the_audit_log(
    alice: Caller, carol: Person, engine: Engine
) -> None:
    carol.join(alice, role="admin")
    [member] = alice.get(MEMBERS).json["items"]
    keys = [_key_of(carol, name, "admin") for name in ("one", "two", "gone")]
    other = alice.post(KEYS, {"name": "of another", "role": "viewer"}).json
    assert alice.delete(f"{KEYS}/{keys[2]['id']}").status_code == 204
    before = alice.get(f"{KEYS}/{keys[2]['id']}").json
    [own, *_] = alice.get(KEYS).json["items"]

    path = f"{MEMBERS}/{member['id']}"
    assert alice.delete(f"{path}?keys=revoke").status_code == 204

    programs = [Caller(carol.client, key["key"]) for key in (*keys, other)]
    assert [program.get(ME).status_code for program in programs] == [401, 401, 401, 200]
    assert alice.get(f"{KEYS}/{keys[2]['id']}").json == before
    with engine.connect() as connection:
        query = text("SELECT action, object_name FROM audit_log ORDER BY seq DESC LIMIT 3")
        told = [tuple(row) for row in connection.execute(query)]
    assert told[0] == ("remove_member", EMAIL)
    assert set(told[1:]) == {("revoke_api_key", "one"), ("revoke_api_key", "two")}
    assert code_of(alice.delete(f"{KEYS}/{own['id']}")) == (409, "last_admin")


def test_nobody_goes_with_the_last_key_of_an_admin(alice: Caller, carol: Person) -> None:
    carol.join(alice, role="admin")
    [member] = alice.get(MEMBERS).json["items"]
    key = _key_of(carol, "program", "admin")
    program = Caller(carol.client, key["key"])
    [own] = [one for one in alice.get(KEYS).json["items"] if one["id"] != key["id"]]
    assert program.delete(f"{KEYS}/{own['id']}").status_code == 204
    # Also of who is no admin themselves by now.
    assert program.patch(f"{MEMBERS}/{member['id']}", {"role": "viewer"}).status_code == 200

    path = f"{MEMBERS}/{member['id']}"
    assert code_of(program.delete(f"{path}?keys=revoke")) == (409, "last_admin")
    assert program.get(path).status_code == 200
    assert program.delete(path).status_code == 204


def test_what_becomes_of_keys_is_one_of_two_words(alice: Caller, issuer: Issuer) -> None:
    path = f"{MEMBERS}/{invite(alice)['id']}"
    assert alice.delete(f"{path}?keys=burn").status_code == 422
    assert alice.delete(f"{path}?keys=keep").status_code == 204


def test_a_change_that_somebody_else_overtook_is_refused(alice: Caller, issuer: Issuer) -> None:
    path = f"{MEMBERS}/{invite(alice)['id']}"
    headers = {**alice._headers(), "If-Match": alice.get(path).headers["ETag"]}
    change = {"json": {"role": "editor"}, "headers": headers}
    assert alice.client.patch(path, **change).status_code == 200
    assert alice.client.patch(path, **change).status_code == 412
    assert alice.client.delete(path, headers=headers).status_code == 412


def test_an_invitation_that_cannot_be_is_refused(alice: Caller, issuer: Issuer) -> None:
    wrong = [
        ({"email": "carol"}, "email_form"),
        ({"email": "carol@example.com, eve@example.com"}, "email_form"),
        ({"email": "\u212aarol@example.com"}, "email_form"),
        ({"email": "@example.com"}, "email_form"),
        ({"role": "owner"}, "enum"),
        ({"issuer": "https://other.test"}, "issuer_unknown"),
        ({"subject": "carol-1"}, "extra_forbidden"),
    ]
    for values, code in wrong:
        answer = alice.post(MEMBERS, {"email": EMAIL, "role": "viewer", **values})
        assert code_of(answer) == (422, code)


def test_without_an_issuer_nobody_is_invited(alice: Caller) -> None:
    assert code_of(alice.post(MEMBERS, {"email": EMAIL, "role": "viewer"})) == (409, "no_issuers")


def test_of_several_issuers_an_invitation_names_one(engine: Engine, tenant: Tenant) -> None:
    issuers = ["https://a.test", "https://b.test"]
    wanted = {"email": EMAIL, "role": Role.VIEWER}
    caller = give_key(engine, tenant.principal)
    with pytest.raises(Exception, match="issuer: it is missing"):
        invite_member(engine, caller, issuers, **wanted)
    row = invite_member(engine, caller, issuers, **wanted, issuer=issuers[1])
    assert row["issuer"] == issuers[1]


def test_nobody_invites_to_a_higher_role_than_their_own(engine: Engine, tenant: Tenant) -> None:
    editor = make_principal(tenant.workspace_id, role=Role.EDITOR)
    with pytest.raises(ForbiddenError):
        invite_member(engine, editor, ["https://a.test"], email=EMAIL, role=Role.ADMIN)


def test_a_workspace_has_so_many_members_and_no_more(
    alice: Caller, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "MAX_MEMBERS", 1)
    invited = invite(alice)
    more = {"email": "eve@example.com", "role": "viewer"}
    assert code_of(alice.post(MEMBERS, more)) == (409, "too_many_members")
    alice.delete(f"{MEMBERS}/{invited['id']}")
    assert alice.post(MEMBERS, more).status_code == 201


def test_many_first_requests_at_once_join_once(
    alice: Caller, carol: Person, app: Flask, engine: Engine
) -> None:
    invite(alice)
    home, token = workspace_of(alice), carol.issuer.token()
    # The issuer's keys are known from here on.
    assert carol.call().status_code == 403

    def call(_: int) -> int:
        return Person(app.test_client(), carol.issuer).show(token, home=home).status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(call, range(6))) == {200}
    with engine.connect() as connection:
        joins = text("SELECT count(*) FROM audit_log WHERE action = 'join_workspace'")
        assert connection.execute(joins).scalar_one() == 1


def test_every_change_of_a_member_is_in_the_audit_log(
    alice: Caller, carol: Person, engine: Engine
) -> None:
    carol.join(alice)
    [member] = alice.get(MEMBERS).json["items"]
    alice.patch(f"{MEMBERS}/{member['id']}", {"role": "editor"})
    alice.patch(f"{MEMBERS}/{member['id']}", {"role": "editor"})  # changes nothing
    alice.delete(f"{MEMBERS}/{member['id']}")
    with engine.connect() as connection:
        query = text(
            "SELECT action, actor_kind, actor_name FROM audit_log"
            " WHERE actor_kind <> 'operator' ORDER BY seq"
        )
        found = [tuple(row) for row in connection.execute(query)]
    assert found == [
        ("invite_member", "api_key", "alice"),
        ("join_workspace", "member", EMAIL),
        ("change_member", "api_key", "alice"),
        ("remove_member", "api_key", "alice"),
    ]


def test_a_disabled_workspace_refuses_its_members_and_a_deleted_one_has_none(
    alice: Caller, carol: Person, engine: Engine
) -> None:
    home = carol.join(alice)
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET disabled_at = now()"))
    assert code_of(carol.call()) == (403, "workspace_disabled")
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET deleted_at = now()"))
    assert [code_of(carol.call()), code_of(carol.call(home=home))] == [UNKNOWN, UNKNOWN]


def test_a_key_reads_itself_too(bob: Caller) -> None:
    shown = bob.get(ME).json
    assert (shown["kind"], shown["name"], shown["role"]) == ("api_key", "bob", "viewer")


def test_a_member_costs_one_statement(
    alice: Caller, carol: Person, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two round trips: who calls, and what they ask for."""
    carol.join(alice)
    carol.call("/api/v2/workspace")
    with app.extensions["syncline"].engine.connect() as connection:
        driver = type(connection.connection.dbapi_connection)
    waits = []
    handle = driver.handle_messages
    monkeypatch.setattr(
        driver, "handle_messages", lambda self, context: (waits.append(1), handle(self, context))
    )
    assert carol.call("/api/v2/workspace").status_code == 200
    assert len(waits) == 2


def test_an_issuer_is_set_as_its_fixture_says(wiring: Wiring, issuer: Issuer) -> None:
    [setting] = wiring.settings.oidc_issuers
    assert asdict(setting) == asdict(issuer.setting)
