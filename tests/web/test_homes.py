"""Who calls finds their workspaces before they can name one."""

from dataclasses import replace
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from shared.domain.members import INVITATION_LIFE
from tests.issuer import Issuer
from tests.web.conftest import Caller
from tests.web.people import MEMBERS, Person, code_of, invite, workspace_of

HOMES = "/api/v2/me"


@pytest.fixture
def carol(app: Flask, issuer: Issuer) -> Person:
    return Person(app.test_client(), issuer)


def home_of(caller: Caller, role: str, **values: bool) -> dict:
    """Return a workspace as a caller of it should see it."""
    shown = caller.get("/api/v2/workspace").json
    told = {name: shown[name] for name in ("id", "slug", "name")}
    return {**told, "role": role, "is_joined": True, "is_disabled": False, **values}


def test_a_person_of_several_workspaces_finds_them_without_naming_one(
    alice: Caller, mallory: Caller, carol: Person
) -> None:
    carol.join(alice, role="editor")
    carol.join(mallory)
    assert code_of(carol.call()) == (422, "workspace_needed")
    expected = [home_of(alice, "editor"), home_of(mallory, "viewer")]
    assert carol.call(HOMES).json == {"kind": "member", "workspaces": expected}
    # A name changes nothing, also one of nothing.
    assert carol.call(HOMES, home=str(uuid4())).json["workspaces"] == expected


def test_who_is_invited_finds_where_and_joins_nothing_by_looking(
    alice: Caller, carol: Person
) -> None:
    invited = invite(alice, role="admin")
    expected = home_of(alice, "admin", is_joined=False)
    for _ in range(2):
        assert carol.call(HOMES, home=workspace_of(alice)).json["workspaces"] == [expected]
    assert alice.get(f"{MEMBERS}/{invited['id']}").json["joined_at"] is None


def test_a_workspace_that_a_person_joined_is_there_once(alice: Caller, carol: Person) -> None:
    carol.join(alice)
    invite(alice, email="other@example.com", role="admin")
    moved = Person(carol.client, carol.issuer, {"email": "other@example.com"})
    assert moved.call(HOMES).json["workspaces"] == [home_of(alice, "viewer")]


def test_nobody_finds_what_is_not_theirs(alice: Caller, carol: Person, engine: Engine) -> None:
    carol.join(alice)
    invite(alice, email="other@example.com")
    unverified = {"email": "other@example.com", "email_verified": False}
    for claims in ({"sub": "heir"}, {"sub": "heir", **unverified}):
        heir = Person(carol.client, carol.issuer, claims)
        assert heir.call(HOMES).json == {"kind": "member", "workspaces": []}
    with engine.begin() as connection:
        aging = text("UPDATE member SET invited_at = invited_at - CAST(:life AS interval)")
        connection.execute(aging, {"life": INVITATION_LIFE})
    late = Person(carol.client, carol.issuer, {"sub": "heir", "email": "other@example.com"})
    assert late.call(HOMES).json["workspaces"] == []


def test_what_was_removed_or_deleted_is_there_no_more(
    alice: Caller, mallory: Caller, carol: Person, engine: Engine
) -> None:
    carol.join(alice)
    carol.join(mallory)
    [member] = alice.get(MEMBERS).json["items"]
    alice.delete(f"{MEMBERS}/{member['id']}")
    home = home_of(mallory, "viewer")
    assert carol.call(HOMES).json["workspaces"] == [home]
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET disabled_at = now()"))
    assert carol.call(HOMES).json["workspaces"] == [{**home, "is_disabled": True}]
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET deleted_at = now()"))
    assert carol.call(HOMES).json["workspaces"] == []


def test_a_key_finds_its_own_workspace(bob: Caller) -> None:
    expected = {"kind": "api_key", "workspaces": [home_of(bob, "viewer")]}
    assert bob.get(HOMES).json == expected


def test_who_proves_nothing_finds_nothing(
    alice: Caller, stranger: Caller, carol: Person, engine: Engine
) -> None:
    refused = [
        stranger.get(HOMES),
        replace(alice, key="x").get(HOMES),
        carol.show(carol.issuer.token(exp=1), HOMES),
    ]
    with engine.begin() as connection:
        connection.execute(text("UPDATE api_key SET revoked_at = now()"))
    refused.append(alice.get(HOMES))
    assert [code_of(one) for one in refused] == [(401, "unauthenticated")] * 4
