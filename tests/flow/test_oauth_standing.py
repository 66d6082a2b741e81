"""Who was shut out while they were at the provider connects nothing."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from shared.domain.audit import ActorKind
from shared.flow.oauth_endings import Ending
from tests.flow.authorizing import Person

SHUT_OUT = {
    "revoked": "UPDATE api_key SET revoked_at = now()",
    "ended": "UPDATE api_key SET expires_at = now()",
    "demoted": "UPDATE api_key SET role = 'viewer'",
}


@pytest.mark.parametrize("how", SHUT_OUT)
def test_a_key_that_holds_no_more_connects_nothing(person: Person, how: str) -> None:
    connector = person.new_connector()
    callback = person.agree(connector)
    person.execute(SHUT_OUT[how])

    finished = person.finish(callback)

    assert finished.ending is Ending.FAILED
    assert "key or membership ended" in finished.sentence
    assert person.status(connector) == "pending_authorization"
    assert person.grant(connector) is None
    assert person.runs() == []
    with person.engine.connect() as connection:
        query = text("SELECT outcome, code FROM audit_log ORDER BY seq DESC LIMIT 1")
        assert tuple(connection.execute(query).one()) == ("refused", "unauthenticated")


def test_a_member_who_was_removed_connects_nothing(person: Person) -> None:
    kari = as_member(person)
    connector = kari.new_connector()
    callback = kari.agree(connector)
    kari.execute("UPDATE member SET removed_at = now()")
    assert kari.finish(callback).ending is Ending.FAILED
    assert kari.status(connector) == "pending_authorization"


def test_who_is_an_editor_still_connects(person: Person) -> None:
    kari = as_member(person)
    connector = kari.new_connector()
    callback = kari.agree(connector)
    kari.execute("UPDATE member SET role = 'editor'")
    assert kari.finish(callback).ending is Ending.CONNECTED


def as_member(person: Person) -> Person:
    """Return the same person, calling as a member and with no key."""
    principal = person.tenant.principal
    actor = replace(principal.actor, kind=ActorKind.MEMBER)
    person.execute("DELETE FROM api_key")
    person.execute(
        "INSERT INTO member (workspace_id, public_id, issuer, email, subject, joined_at, name,"
        " role) VALUES (:workspace, :id, 'https://id.test', 'kari@example.com', 'kari', now(),"
        " :name, 'admin')",
        workspace=person.tenant.workspace_id,
        id=actor.id,
        name=actor.name,
    )
    return replace(person, tenant=replace(person.tenant, principal=replace(principal, actor=actor)))
