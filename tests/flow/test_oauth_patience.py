"""A look has its end, also where it waits for tokens."""

import threading
from datetime import timedelta

import pytest
from flask import Response

from shared.errors import TransientError
from shared.flow import look, oauth_tokens
from shared.flow.look import Lookout, look_at
from shared.flow.oauth_tokens import tokens_of
from tests.flow.authorizing import Person
from tests.loopback import LOOPBACK


def test_a_look_waits_for_another_worker_no_longer_than_it_may_take(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = person.authorized()
    monkeypatch.setattr(look, "PATIENCE", timedelta(seconds=1))
    monkeypatch.setattr(oauth_tokens, "_PATIENCE", timedelta(hours=1))
    person.server.expire()
    person.execute(
        "UPDATE connector_credential SET refresh_lease_expires_at = now() + interval '1 hour'"
    )
    monkeypatch.setattr(oauth_tokens, "_LEAST", timedelta(0))
    report = look_at(Lookout(person.engine, person.key, LOOPBACK), person.source(connector))
    assert [one.is_transient for one in report.findings] == [True]


def test_a_look_asks_the_provider_no_longer_than_it_may_take(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = person.authorized()
    monkeypatch.setattr(oauth_tokens, "_LEAST", timedelta(0))
    is_over = threading.Event()

    def wait() -> Response:
        assert is_over.wait(15)
        return Response(b"{}")

    person.server.faults.append(wait)
    row = person.source(connector)
    tokens = tokens_of(person.engine, person.key, LOOPBACK, row, timedelta(seconds=1))
    with pytest.raises(TransientError):
        tokens(person.server.tokens[-1].access_token)
    assert not is_over.is_set()
    is_over.set()


def test_a_look_that_is_nearly_over_asks_for_nothing(person: Person) -> None:
    connector = person.authorized()
    row = person.source(connector)
    tokens = tokens_of(person.engine, person.key, LOOPBACK, row, timedelta(seconds=2))
    with pytest.raises(TransientError, match="no time left"):
        tokens(person.server.tokens[-1].access_token)
    assert person.server.refreshes == 0
