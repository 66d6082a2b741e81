"""An invitation joins whom it is for, once, until it ends or is taken back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from time import monotonic

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from shared.domain.members import INVITATION_LIFE
from tests.issuer import EMAIL, Issuer
from tests.web.conftest import Caller
from tests.web.people import MEMBERS, Person, code_of, invite, workspace_of

UNKNOWN = (403, "not_a_member")
OTHER = "other@example.com"


@pytest.fixture
def carol(app: Flask, issuer: Issuer) -> Person:
    return Person(app.test_client(), issuer)


def age_invitations(engine: Engine, by: timedelta) -> None:
    """Let all invitations be older."""
    with engine.begin() as connection:
        query = text("UPDATE member SET invited_at = invited_at - CAST(:by AS interval)")
        connection.execute(query, {"by": by})


def remove(admin: Caller, email: str) -> None:
    [found] = [one for one in admin.get(MEMBERS).json["items"] if one["email"] == email]
    assert admin.delete(f"{MEMBERS}/{found['id']}").status_code == 204


def test_an_invitation_says_when_it_ends_and_who_joined_has_no_end(
    alice: Caller, carol: Person
) -> None:
    invited = invite(alice)
    begin, end = (
        datetime.fromisoformat(invited[name]) for name in ("invited_at", "invitation_ends_at")
    )
    assert end - begin == INVITATION_LIFE
    carol.call(home=workspace_of(alice))
    assert alice.get(f"{MEMBERS}/{invited['id']}").json["invitation_ends_at"] is None


def test_an_invitation_that_ended_joins_nobody_and_another_one_does(
    alice: Caller, carol: Person, engine: Engine
) -> None:
    home, first = workspace_of(alice), invite(alice, role="admin")
    age_invitations(engine, INVITATION_LIFE)
    assert [code_of(carol.call(home=home)), code_of(carol.call())] == [UNKNOWN] * 2

    second = invite(alice)
    [shown] = alice.get(MEMBERS).json["items"]
    assert shown["id"] == second["id"] != first["id"]
    assert carol.call(home=home).json["role"] == "viewer"


def test_an_invitation_holds_until_its_end(alice: Caller, carol: Person, engine: Engine) -> None:
    invite(alice)
    age_invitations(engine, INVITATION_LIFE - timedelta(hours=1))
    assert carol.call(home=workspace_of(alice)).status_code == 200


def test_who_joined_stays_when_their_invitation_would_have_ended(
    alice: Caller, carol: Person, engine: Engine
) -> None:
    carol.join(alice)
    age_invitations(engine, INVITATION_LIFE)
    assert carol.call().status_code == 200


def test_who_is_invited_again_has_one_invitation_and_a_new_end(
    alice: Caller, issuer: Issuer, engine: Engine
) -> None:
    invite(alice, name="Carol")
    age_invitations(engine, timedelta(days=1))
    [before] = alice.get(MEMBERS).json["items"]
    again = invite(alice, role="editor")
    assert alice.get(MEMBERS).json["items"] == [again]
    assert again["invitation_ends_at"] > before["invitation_ends_at"]
    with engine.connect() as connection:
        query = text("SELECT action, object_name FROM audit_log ORDER BY seq DESC LIMIT 2")
        told = [tuple(row) for row in connection.execute(query)]
    assert told == [("invite_member", EMAIL), ("remove_member", "Carol")]


def test_an_invitation_that_was_taken_back_joins_nobody(alice: Caller, carol: Person) -> None:
    invited = invite(alice)
    alice.delete(f"{MEMBERS}/{invited['id']}")
    assert code_of(carol.call(home=workspace_of(alice))) == UNKNOWN


def test_who_was_removed_does_not_come_back_by_an_older_invitation(
    alice: Caller, carol: Person, engine: Engine
) -> None:
    home = carol.join(alice)
    invite(alice, email=OTHER)
    remove(alice, EMAIL)
    moved = Person(carol.client, carol.issuer, {"email": OTHER})
    assert code_of(moved.call(home=home)) == UNKNOWN
    # Nor does their asking keep anybody waiting.
    with engine.begin() as holding:
        holding.execute(text("SELECT FROM workspace FOR UPDATE"))
        assert code_of(moved.call(home=home)) == UNKNOWN
    # Somebody else may have been meant.
    heir = Person(carol.client, carol.issuer, {"email": OTHER, "sub": "heir"})
    assert heir.call(home=home).status_code == 200


def test_who_was_removed_comes_back_by_an_invitation_that_was_made_after_it(
    alice: Caller, carol: Person
) -> None:
    home = carol.join(alice)
    invite(alice, email=OTHER)
    remove(alice, EMAIL)
    invite(alice, email=OTHER)
    moved = Person(carol.client, carol.issuer, {"email": OTHER})
    assert moved.call(home=home).status_code == 200


def test_who_joins_and_is_removed_while_they_join_again_stays_removed(
    alice: Caller, carol: Person, engine: Engine
) -> None:
    home, first = workspace_of(alice), invite(alice)
    invite(alice, email=OTHER)
    moved = Person(carol.client, carol.issuer, {"email": OTHER})
    subject = {"id": first["id"], "subject": carol.issuer.claims()["sub"]}
    with engine.begin() as removing, ThreadPoolExecutor(1) as pool:
        removing.execute(text("SELECT FROM workspace FOR NO KEY UPDATE"))
        for change in (
            "subject = :subject, joined_at = now()",
            "removed_at = statement_timestamp()",
        ):
            query = text(f"UPDATE member SET {change} WHERE public_id = :id")
            removing.execute(query, subject)
        answer = pool.submit(moved.call, home=home)
        await_waiting(engine)
        removing.commit()
        assert code_of(answer.result()) == UNKNOWN


def test_an_invitation_that_waited_for_a_removal_was_made_after_it(
    alice: Caller, carol: Person, engine: Engine
) -> None:
    home = carol.join(alice)
    moved = Person(carol.client, carol.issuer, {"email": OTHER})
    with engine.begin() as removing, ThreadPoolExecutor(1) as pool:
        removing.execute(text("SELECT FROM workspace FOR NO KEY UPDATE"))
        inviting = pool.submit(invite, alice, email=OTHER)
        await_waiting(engine)
        removing.execute(text("UPDATE member SET removed_at = statement_timestamp()"))
        removing.commit()
        inviting.result()
    assert moved.call(home=home).status_code == 200


def await_waiting(engine: Engine) -> None:
    """Return when somebody waits for a lock of another."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    until = monotonic() + 10
    while monotonic() < until:
        with engine.connect() as connection:
            if connection.execute(query).scalar_one():
                return
    raise AssertionError("nobody waits")


def test_a_repeated_invitation_is_one(alice: Caller, issuer: Issuer) -> None:
    answers = [_once(alice) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json == answers[1].json


def test_a_repeated_invitation_is_answered_alike_after_the_member_was_removed(
    alice: Caller, issuer: Issuer, engine: Engine
) -> None:
    first = _once(alice)
    remove(alice, EMAIL)
    with engine.begin() as connection:
        # As if the first request had broken off before its answer was stored.
        connection.execute(
            text(
                "UPDATE repeatable_request SET status = NULL, headers = NULL, body = NULL,"
                " locked_until = now()"
            )
        )
    again = _once(alice)
    assert (again.status_code, again.json["id"]) == (201, first.json["id"])
    assert alice.get(MEMBERS).json["items"] == []


def _once(admin: Caller) -> TestResponse:
    headers = {**admin._headers(), "Idempotency-Key": "once"}
    body = {"email": EMAIL, "role": "viewer"}
    return admin.client.post(MEMBERS, json=body, headers=headers)
