"""What is left when a process dies, or our own database is away, around a provider's answer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared import crash_points
from shared.connectors.oauth_failures import GrantEndedError
from shared.crash_points import CrashPoint
from shared.errors import TransientError
from shared.flow import oauth_finish, oauth_tokens
from shared.flow.oauth_finish import Ending
from shared.gcp import sealing
from tests.flow.authorizing import Person

TROUBLES = (OperationalError("", None, Exception()), PoolTimeoutError("No connection is free."))


def die_at(monkeypatch: pytest.MonkeyPatch, wanted: CrashPoint) -> None:
    def die(point: CrashPoint) -> None:
        if point is wanted:
            raise SystemExit

    monkeypatch.setattr(crash_points, "_armed", die)


def failing_at_first(
    act: Callable[..., Any], *errors: Exception, acts_before: bool = False
) -> Callable[..., Any]:
    """Return what raises these errors before it acts as it should, or in place of its answer."""
    left = list(errors)

    def fail(*arguments: object, **named: object) -> object:
        if not left:
            return act(*arguments, **named)
        if acts_before:
            act(*arguments, **named)
        raise left.pop(0)

    return fail


@pytest.mark.parametrize("point", [CrashPoint.STATE_USED, CrashPoint.CODE_EXCHANGED])
def test_a_callback_that_dies_leaves_nothing_half_done_and_its_state_used(
    person: Person, monkeypatch: pytest.MonkeyPatch, point: CrashPoint
) -> None:
    connector = person.new_connector()
    callback = person.agree(connector)
    with monkeypatch.context() as patch:
        die_at(patch, point)
        with pytest.raises(SystemExit):
            person.finish(callback)
    assert person.status(connector) == "pending_authorization"
    assert (person.grant(connector), person.runs()) == (None, [])
    assert person.finish(callback).ending is Ending.UNKNOWN
    assert len(person.server.asked) == (point is CrashPoint.CODE_EXCHANGED)
    assert person.authorize(connector).ending is Ending.CONNECTED
    assert len(person.runs()) == 1


def test_a_worker_that_dies_before_it_stored_the_new_tokens_leads_to_a_person(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = person.authorized()
    first = person.server.tokens[-1].access_token
    with monkeypatch.context() as patch:
        die_at(patch, CrashPoint.TOKENS_RENEWED)
        with pytest.raises(SystemExit):
            person.tokens(connector)(first)
    person.execute("UPDATE connector_credential SET refresh_lease_expires_at = now()")
    with pytest.raises(GrantEndedError, match="cut off before the new tokens were stored"):
        person.tokens(connector)(first)
    assert person.status(connector) == "needs_reauthorization"
    assert person.authorize(connector).ending is Ending.CONNECTED


def test_a_worker_that_dies_after_it_stored_the_new_tokens_leaves_them_to_the_next(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = person.authorized()
    first = person.server.tokens[-1].access_token
    with monkeypatch.context() as patch:
        die_at(patch, CrashPoint.TOKENS_STORED)
        with pytest.raises(SystemExit):
            person.tokens(connector)(first)
    assert person.tokens(connector)(first) == person.server.tokens[-1].access_token != first
    assert person.server.refreshes == 1


def test_trouble_of_ours_after_the_exchange_is_waited_out(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = person.new_connector()
    monkeypatch.setattr(oauth_finish, "_PAUSE_SECONDS", 0.01)
    store = failing_at_first(oauth_finish.store_granted, *TROUBLES, TransientError("Wait."))
    monkeypatch.setattr(oauth_finish, "store_granted", store)
    assert person.authorize(connector).ending is Ending.CONNECTED
    assert person.status(connector) == "connected"
    assert len(person.server.asked) == len(person.runs()) == 1


@pytest.mark.parametrize("is_over", [False, True])
def test_a_grant_whose_commit_was_not_answered_starts_one_run(
    person: Person, monkeypatch: pytest.MonkeyPatch, is_over: bool
) -> None:
    connector = person.new_connector()

    def connect_and_end(*arguments: object) -> object:
        sentence = connected(*arguments)
        if is_over:
            person.end_runs()
        return sentence

    connected = oauth_finish._connected
    unanswered = failing_at_first(connect_and_end, TROUBLES[0], acts_before=True)
    monkeypatch.setattr(oauth_finish, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(oauth_finish, "_connected", unanswered)
    assert person.authorize(connector).ending is Ending.CONNECTED
    assert len(person.runs()) == 1
    assert person.tokens(connector)(None) == person.server.tokens[-1].access_token


def test_trouble_that_does_not_pass_is_told_to_the_person(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth_finish, "_PATIENCE", timedelta(0))
    store = failing_at_first(oauth_finish.store_granted, TROUBLES[0])
    monkeypatch.setattr(oauth_finish, "store_granted", store)
    finished = person.authorize(person.new_connector())
    assert finished.ending is Ending.FAILED
    assert "trouble of its own: authorize the connector again" in finished.sentence


def test_a_connection_that_is_not_to_be_had_while_tokens_are_stored_is_waited_for(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = person.authorized()
    first = person.server.tokens[-1].access_token
    monkeypatch.setattr(oauth_tokens, "_STORE_SECONDS", 0.01)
    store = failing_at_first(oauth_tokens.store_refreshed, *TROUBLES)
    monkeypatch.setattr(oauth_tokens, "store_refreshed", store)
    assert person.tokens(connector)(first) == person.server.tokens[-1].access_token
    assert person.server.refreshes == 1


def test_a_connection_that_is_not_to_be_had_at_all_is_transient(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = person.tokens(person.authorized())
    read = failing_at_first(oauth_tokens.find_source, TROUBLES[1])
    monkeypatch.setattr(oauth_tokens, "find_source", read)
    with pytest.raises(TransientError, match="own database is in trouble") as failed:
        tokens(None)
    assert failed.value.code == "internal"


def test_a_key_that_is_away_is_found_out_before_the_provider_is_asked(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = person.authorized()
    callback = person.agree(connector)
    first, asked = person.server.tokens[-1].access_token, len(person.server.asked)
    with monkeypatch.context() as patch:
        away = TransientError("The key is away.", code="internal")
        wrap = failing_at_first(type(person.key).wrap, away, away)
        patch.setattr(type(person.key), "wrap", wrap)
        with pytest.raises(TransientError, match="key is away"):
            person.tokens(connector)(first)
        assert person.finish(callback).ending is Ending.FAILED
    assert len(person.server.asked) == asked
    assert person.tokens(connector)(first) == person.server.tokens[-1].access_token


def test_a_seal_opens_whatever_else_was_sealed_with_its_data_key(person: Person) -> None:
    connector = person.new_connector()
    owner = person.tenant.workspace_id, connector
    sealer = sealing.make_sealer(person.key, *owner)
    seals = [sealer.seal({"a": text}) for text in ("1", "1")]
    assert seals[0].nonce != seals[1].nonce
    assert [sealing.unseal(person.key, one, *owner) for one in seals] == [{"a": "1"}] * 2
