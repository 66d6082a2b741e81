"""A grant is for the settings that it was given for, whoever still works with others."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from shared import crash_points
from shared.clock import utc_now
from shared.connectors.oauth_failures import GrantEndedError
from shared.crash_points import CrashPoint
from shared.domain.health import Health, Verdict
from shared.errors import TransientError
from shared.flow import oauth_tokens
from shared.flow.connectors import change_connector
from shared.flow.look import Lookout, look_at
from shared.flow.oauth_finish import Ending
from shared.flow.oauth_tokens import tokens_of
from shared.store.connectors import note_health
from tests.authorization_server import AuthorizationServer, authorization_server
from tests.connectors.api.server import says
from tests.flow.authorizing import Person
from tests.loopback import LOOPBACK


@pytest.fixture
def other() -> Iterator[AuthorizationServer]:
    """Return another provider than the person's, to which somebody points the connector."""
    with authorization_server() as server:
        yield server


def change(person: Person, connector: UUID, config: dict[str, object]) -> None:
    change_connector(person.planner, person.tenant.principal, person.key, connector, config=config)


def move(person: Person, connector: UUID, server: AuthorizationServer) -> None:
    """Point a connector to another server, and authorize it there."""
    server.is_public = person.server.is_public
    change(person, connector, server.config())
    assert replace(person, server=server).authorize(connector).ending is Ending.CONNECTED


def bearer(person: Person) -> dict[str, object]:
    return {**person.server.config(), "auth": {"type": "bearer", "token": "static"}}


def test_new_tokens_do_not_go_to_whom_the_connector_was_pointed_before(
    person: Person, other: AuthorizationServer
) -> None:
    connector = person.authorized()
    row = person.source(connector)  # a slice or a look begins
    move(person, connector, other)
    with pytest.raises(TransientError, match="settings were changed meanwhile"):
        tokens_of(person.engine, person.key, LOOPBACK, row)(None)
    report = look_at(Lookout(person.engine, person.key, LOOPBACK), row)
    assert [one.message for one in report.findings] == [
        "The connector's settings were changed meanwhile: the next try has the new ones."
    ]
    assert person.rows("workspace_connector")[0]["health"] == "unknown"


def test_other_streams_leave_who_reads_its_tokens(person: Person) -> None:
    connector = person.authorized()
    tokens = person.tokens(connector)
    config = person.server.config()
    config["streams"] = [{"name": "more", "path": "/orders", "primary_key": ["id"]}]
    change(person, connector, config)
    assert tokens(None) == person.server.tokens[-1].access_token


def test_a_renewal_of_before_does_not_overwrite_the_grant_of_other_settings(
    person: Person, other: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public client has no secrets: its row goes with its grant, and a new one begins anew."""
    person.server.is_public = True
    connector = person.authorized()
    first = person.server.tokens[-1].access_token
    ask = oauth_tokens.GrantedTokens._ask

    def ask_late(self: object, *arguments: object) -> object:
        answer = ask(self, *arguments)
        move(person, connector, other)
        return answer

    monkeypatch.setattr(oauth_tokens.GrantedTokens, "_ask", ask_late)
    with pytest.raises(TransientError, match="settings were changed"):
        person.tokens(connector)(first)
    grant = person.grant(connector)
    assert grant is not None
    assert grant.access_token == other.tokens[-1].access_token


def test_the_end_of_a_grant_of_before_is_not_that_of_the_new_one(
    person: Person, other: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.server.is_public = True
    connector = person.authorized()

    def ask_late(_self: object, *_: object) -> object:
        move(person, connector, other)
        raise GrantEndedError("Ended.")

    monkeypatch.setattr(oauth_tokens.GrantedTokens, "_ask", ask_late)
    with pytest.raises(TransientError, match="settings were changed"):
        person.tokens(connector)(person.server.tokens[-1].access_token)
    assert person.status(connector) == "connected"


def test_a_connector_that_needs_no_authorization_any_more_waits_for_none(person: Person) -> None:
    connector = person.authorized()
    row = person.source(connector)
    change(person, connector, bearer(person))
    look_at(Lookout(person.engine, person.key, LOOPBACK), row)
    assert person.status(connector) == "connected"


def test_settings_that_change_between_reading_and_losing_a_grant_keep_their_status(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = person.authorized()
    lock = oauth_tokens.lock_workspace_state

    def lock_late(*arguments: object) -> None:
        change(person, connector, bearer(person))
        lock(*arguments)

    person.server.faults.append(says(400, {"error": "invalid_grant"}))
    monkeypatch.setattr(oauth_tokens, "lock_workspace_state", lock_late)
    with pytest.raises(TransientError, match="settings were changed"):
        person.tokens(connector)(person.server.tokens[-1].access_token)
    assert person.status(connector) == "connected"


def test_a_code_is_sent_to_nobody_but_whom_the_browser_was_sent_to(
    person: Person, other: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = person.new_connector()
    callback = person.agree(connector)

    def change_then(point: CrashPoint) -> None:
        if point is CrashPoint.STATE_USED:
            config = person.server.config(token_url=f"{other.url}/token")
            change(person, connector, config)

    monkeypatch.setattr(crash_points, "_armed", change_then)
    finished = person.finish(callback)
    assert (finished.ending, "changed meanwhile" in finished.sentence) == (Ending.FAILED, True)
    assert (person.server.asked, other.asked) == ([], [])


def test_a_look_of_before_an_authorization_says_nothing_of_what_is_after(person: Person) -> None:
    connector = person.authorized()
    before = person.source(connector)
    person.authorize(connector)
    with person.engine.begin() as connection:
        note_health(
            connection,
            before["id"],
            Verdict(Health.UNHEALTHY, "Authorize the connector again."),
            config_version=before["config_version"],
            looked_at=utc_now(),
            next_check_at=utc_now(),
        )
    (row,) = person.rows("workspace_connector")
    assert (row["health"], row["health_reason"]) == ("unknown", None)
