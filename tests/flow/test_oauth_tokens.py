"""Tokens are renewed by one worker at a time, and no lost answer leads into a loop."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from flask import Response
from sqlalchemy.exc import OperationalError

from shared.clock import utc_now
from shared.connectors.oauth_failures import GrantEndedError
from shared.errors import PermanentError, TransientError
from shared.flow import grants, oauth_tokens
from shared.flow.connectors import change_connector
from shared.flow.look import Lookout, look_at
from shared.flow.oauth_finish import Ending
from shared.flow.rekey import rekey
from tests.authorization_server import AuthorizationServer
from tests.connectors.api.server import says
from tests.flow.authorizing import Person
from tests.gcp.keys import make_key, new_line
from tests.loopback import LOOPBACK


@pytest.fixture
def connector(person: Person) -> UUID:
    return person.authorized()


def at_once(work: Callable[[int], str], count: int = 20) -> list[str]:
    """Let many threads begin together; return what each came to."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> str:
        barrier.wait(10)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def newest(server: AuthorizationServer) -> str:
    return server.tokens[-1].access_token


def later(monkeypatch: pytest.MonkeyPatch, **by: float) -> None:
    """Let it be later for whoever looks whether tokens are due."""
    monkeypatch.setattr(oauth_tokens, "utc_now", lambda: utc_now() + timedelta(**by))


def lease_of(person: Person) -> datetime | None:
    return person.rows("connector_credential")[0]["refresh_lease_expires_at"]


def test_a_token_that_is_good_is_used_without_asking(person: Person, connector: UUID) -> None:
    tokens = person.tokens(connector)
    assert tokens(None) == tokens(None) == newest(person.server)
    assert person.server.refreshes == 0


def test_a_token_that_ends_soon_is_renewed_before(
    person: Person, connector: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = person.tokens(connector)
    first = tokens(None)
    later(monkeypatch, minutes=56)
    second = tokens(None)
    assert second == newest(person.server) != first
    grant = person.grant(connector)
    assert grant is not None
    assert (grant.access_token, grant.refresh_token) == (
        second,
        person.server.tokens[-1].refresh_token,
    )
    assert lease_of(person) is None


def test_a_token_that_the_source_refused_is_renewed(person: Person, connector: UUID) -> None:
    first = person.tokens(connector)(None)
    assert person.tokens(connector)(first) == newest(person.server) != first
    # Who was refused the same token by another source of trouble takes the new one.
    assert person.tokens(connector)(first) == newest(person.server)
    assert person.server.refreshes == 1


def test_twenty_workers_that_want_a_token_at_once_renew_it_once(
    person: Person, connector: UUID
) -> None:
    first = newest(person.server)
    found = at_once(lambda _: person.tokens(connector)(first))
    assert set(found) == {newest(person.server)}
    assert person.server.refreshes == 1
    assert person.server.revoked_families() == set()


def test_who_has_a_token_that_is_still_good_does_not_wait_for_the_renewal(
    person: Person, connector: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = newest(person.server)
    person.execute(
        "UPDATE connector_credential SET refresh_lease_expires_at = now() + interval '1 hour'"
    )
    later(monkeypatch, minutes=56)
    assert person.tokens(connector)(None) == first
    assert person.server.refreshes == 0


def test_the_wait_for_another_worker_ends(
    person: Person, connector: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth_tokens, "_PATIENCE", timedelta(seconds=0.5))
    person.execute(
        "UPDATE connector_credential SET refresh_lease_expires_at = now() + interval '1 hour'"
    )
    with pytest.raises(TransientError, match="Another worker renews"):
        person.tokens(connector)(newest(person.server))
    assert person.server.refreshes == 0


def test_a_lease_that_ran_out_is_taken_over(person: Person, connector: UUID) -> None:
    person.execute("UPDATE connector_credential SET refresh_lease_expires_at = now()")
    assert person.tokens(connector)(newest(person.server)) == newest(person.server)
    assert lease_of(person) is None


def test_a_grant_that_the_provider_ended_waits_for_a_person(
    person: Person, connector: UUID
) -> None:
    person.server.faults.append(says(400, {"error": "invalid_grant"}))
    with pytest.raises(GrantEndedError, match="authorize the connector again") as ended:
        person.tokens(connector)(newest(person.server))
    assert (ended.value.code, ended.value.fault) == ("authorization", "login")
    (row,) = person.rows("workspace_connector")
    assert (row["status"], row["health"]) == ("needs_reauthorization", "unhealthy")
    assert row["health_reason"] == str(ended.value)
    assert lease_of(person) is None


def test_an_answer_that_was_lost_in_a_crash_leads_to_a_person_and_not_into_a_loop(
    person: Person, connector: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = newest(person.server)

    def crash(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(oauth_tokens, "store_refreshed", crash)
        with pytest.raises(SystemExit):
            person.tokens(connector)(first)
    assert lease_of(person) is not None
    person.execute("UPDATE connector_credential SET refresh_lease_expires_at = now()")
    with pytest.raises(GrantEndedError, match="cut off before the new tokens were stored"):
        person.tokens(connector)(first)
    assert person.status(connector) == "needs_reauthorization"
    assert person.server.refreshes == 2

    person.authorize(connector)
    assert person.status(connector) == "connected"
    assert person.tokens(connector)(first) == newest(person.server)


def test_trouble_of_ours_while_tokens_are_stored_is_waited_out(
    person: Person, connector: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, tries = oauth_tokens.store_refreshed, []

    def fail_twice(*arguments: object, **named: object) -> bool:
        tries.append(None)
        if len(tries) < 3:
            raise OperationalError("", None, Exception())
        return store(*arguments, **named)

    monkeypatch.setattr(oauth_tokens, "_STORE_SECONDS", 0.01)
    monkeypatch.setattr(oauth_tokens, "store_refreshed", fail_twice)
    assert person.tokens(connector)(newest(person.server)) == newest(person.server)
    assert (len(tries), person.server.refreshes) == (3, 1)


def test_who_lost_the_race_uses_what_the_other_stored(
    person: Person, connector: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was frozen after the provider's answer finds another authorization."""
    first = newest(person.server)
    ask = oauth_tokens.GrantedTokens._ask

    def ask_late(self: object, *arguments: object) -> object:
        answer = ask(self, *arguments)
        person.authorize(connector)
        return answer

    monkeypatch.setattr(oauth_tokens.GrantedTokens, "_ask", ask_late)
    assert person.tokens(connector)(first) == newest(person.server)
    grant = person.grant(connector)
    assert grant is not None
    assert grant.access_token == newest(person.server)


def test_a_refusal_of_tokens_that_somebody_has_replaced_ends_nothing(
    person: Person, connector: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = newest(person.server)

    def ask_late(_self: object, *_: object) -> object:
        person.authorize(connector)
        raise GrantEndedError("Ended.")

    monkeypatch.setattr(oauth_tokens.GrantedTokens, "_ask", ask_late)
    assert person.tokens(connector)(first) == newest(person.server)
    assert person.status(connector) == "connected"


TROUBLES = (
    (says(500), "failed or is too busy", "source_unavailable"),
    (says(429, Retry_After="7"), "asks for fewer requests", "rate_limited"),
    (says(503, b"<html>", Retry_After="7"), "asks for fewer requests", "rate_limited"),
)


def test_trouble_of_the_provider_is_transient_and_the_next_try_is_free(
    person: Person, connector: UUID
) -> None:
    first = newest(person.server)
    for answer, sentence, code in TROUBLES:
        person.server.faults.append(answer)
        with pytest.raises(TransientError, match=sentence) as failed:
            person.tokens(connector)(first)
        assert failed.value.code == code
        asked = timedelta(seconds=7) if code == "rate_limited" else None
        assert failed.value.retry_after == asked
        assert lease_of(person) is None
    assert person.status(connector) == "connected"
    assert person.tokens(connector)(first) == newest(person.server)


def test_trouble_with_a_token_that_is_still_good_is_put_off(
    person: Person, connector: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch, minutes=56)
    person.server.faults.append(says(500))
    tokens = person.tokens(connector)
    assert tokens(None) == tokens(None) == newest(person.server)
    assert person.server.refreshes == 1
    later(monkeypatch, minutes=58)
    assert tokens(None) == newest(person.server)
    assert person.server.refreshes == 2


def test_a_client_that_is_refused_is_told_and_keeps_its_grant(
    person: Person, connector: UUID
) -> None:
    person.server.faults.append(says(401, {"error": "invalid_client"}))
    with pytest.raises(PermanentError, match="check its client id and secret"):
        person.tokens(connector)(newest(person.server))
    assert person.status(connector) == "connected"


def test_a_provider_that_does_not_rotate_lets_the_refresh_token_go_on(
    person: Person, connector: UUID
) -> None:
    before = person.grant(connector)
    person.server.faults.append(says(200, {"access_token": "new", "expires_in": "60"}))
    assert person.tokens(connector)(newest(person.server)) == "new"
    after = person.grant(connector)
    assert before is not None
    assert after is not None
    assert after.refresh_token == before.refresh_token


def test_a_grant_without_a_refresh_token_is_used_to_its_end(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.server.faults.append(says(200, {"access_token": "a", "expires_in": 3600}))
    connector = person.authorized()
    later(monkeypatch, minutes=59)
    assert person.tokens(connector)(None) == "a"
    later(monkeypatch, minutes=60)
    with pytest.raises(GrantEndedError, match="nothing to renew it with"):
        person.tokens(connector)(None)
    assert person.status(connector) == "needs_reauthorization"


def test_a_refusal_does_not_end_a_grant_that_cannot_be_renewed_before_its_time(
    person: Person,
) -> None:
    person.server.faults.append(says(200, {"access_token": "a", "expires_in": 3600}))
    connector = person.authorized()
    assert person.tokens(connector)("a") == "a"
    # The source refuses it twice, and says itself what it holds against it.
    report = look_at(Lookout(person.engine, person.key, LOOPBACK), person.source(connector))
    assert [one.code for one in report.findings] == ["authorization"]
    assert person.status(connector) == "connected"


def test_a_token_that_was_fetched_just_now_is_not_renewed_for_a_refusal(
    person: Person, connector: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "_FRESH", timedelta(seconds=30))
    first = newest(person.server)
    assert person.tokens(connector)(first) == first
    later(monkeypatch, seconds=31)
    assert person.tokens(connector)(first) == newest(person.server) != first
    assert person.server.refreshes == 1


def test_a_connector_that_waits_for_its_authorization_goes_on_waiting(person: Person) -> None:
    connector = person.new_connector()
    with pytest.raises(GrantEndedError, match="not authorized"):
        person.tokens(connector)(None)
    assert person.status(connector) == "pending_authorization"


def test_settings_that_change_during_a_renewal_keep_no_tokens(
    person: Person, connector: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = newest(person.server)
    ask = oauth_tokens.GrantedTokens._ask

    def ask_late(self: object, *arguments: object) -> object:
        answer = ask(self, *arguments)
        config = person.server.config(client_id="another")
        change_connector(
            person.planner, person.tenant.principal, person.key, connector, config=config
        )
        return answer

    monkeypatch.setattr(oauth_tokens.GrantedTokens, "_ask", ask_late)
    with pytest.raises(TransientError, match="settings were changed"):
        person.tokens(connector)(first)
    assert person.grant(connector) is None
    assert person.status(connector) == "pending_authorization"


def test_secrets_that_are_sealed_anew_during_a_renewal_keep_the_new_tokens(
    person: Person, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old, new = new_line("2026-01"), new_line("2026-02")
    both = make_key(tmp_path / "both.key", new, old)
    before = replace(person, key=make_key(tmp_path / "old.key", old))
    connector = before.authorized()
    waiting = before.agree(connector)
    ask = oauth_tokens.GrantedTokens._ask

    def ask_late(self: object, *arguments: object) -> object:
        answer = ask(self, *arguments)
        done = rekey(person.engine, both)
        assert (done.resealed, done.failed, done.lagging) == (2, 0, 0)
        return answer

    monkeypatch.setattr(oauth_tokens.GrantedTokens, "_ask", ask_late)
    assert before.tokens(connector)(newest(person.server)) == newest(person.server)
    rekey(person.engine, both)
    after = replace(person, key=make_key(tmp_path / "new.key", new))
    assert after.tokens(connector)(None) == newest(person.server)
    assert after.finish(waiting).ending is Ending.CONNECTED


def test_no_token_is_logged(
    person: Person, connector: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="shared")
    first = newest(person.server)
    person.tokens(connector)(first)
    person.server.faults.append(lambda: Response(first, 500))
    with pytest.raises(TransientError) as failed:
        person.tokens(connector)(newest(person.server))
    said = str([vars(record) for record in caplog.records if record.name.startswith("shared")])
    assert "tokens_renewed" in said
    for token in person.server.tokens:
        assert token.access_token not in said + str(failed.value)
        assert token.refresh_token is not None
        assert token.refresh_token not in said
