"""An authorization connects its connector and starts its first sync, once, or changes nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from time import sleep

import pytest
from flask import Response

from shared.clock import utc_now
from shared.connectors import token_endpoint
from shared.egress.doors import Limits
from shared.errors import BusyError
from shared.flow import oauth_finish
from shared.flow.connectors import change_connector
from shared.flow.grants import Grant
from shared.flow.oauth_finish import Callback, Ending, finish_authorization
from shared.flow.retire import delete_connector, disable_connector, enable_connector
from shared.flow.trigger import trigger_schedule
from shared.gcp.task_queue import CloudTasksQueue
from tests.authorization_server import SECRET
from tests.connectors.api.server import says
from tests.factories import events_of, make_schedule, runs_of
from tests.flow.authorizing import Person, make_gate
from tests.flow.queues import PausedQueue


def test_an_authorization_connects_and_starts_the_first_sync_at_once(
    person: Person, paused: PausedQueue
) -> None:
    connector = person.new_connector()
    assert person.status(connector) == "pending_authorization"

    finished = person.authorize(connector)

    assert (finished.ending, finished.connector) == (Ending.CONNECTED, connector)
    assert "first sync starts now" in finished.sentence
    assert person.status(connector) == "connected"
    (run,) = person.runs()
    assert (run["status"], run["trigger_type"]) == ("scheduled", "oauth_callback")
    assert run["idempotency_key"].startswith(f"{connector}:oauth_callback:")
    assert events_of(person.engine, run["id"]) == ["requested", "enqueued"]
    (task,) = paused.tasks(paused.interactive)
    assert task.name == run["cloud_task_id"]


def test_the_run_is_of_the_schedule_if_there_is_one(person: Person) -> None:
    connector = person.new_connector()
    schedule = make_schedule(
        person.engine,
        person.tenant,
        connector=connector,
        frequency="manual",
        cron_expression=None,
        max_attempts=3,
    )
    person.authorize(connector)
    (run,) = runs_of(person.engine, schedule["id"])
    assert (run["trigger_type"], run["max_attempts"]) == ("oauth_callback", 3)


def test_the_tokens_are_sealed_with_when_they_end(person: Person) -> None:
    connector = person.new_connector()
    before = utc_now()
    person.authorize(connector)
    (token,) = person.server.tokens
    grant = person.grant(connector)
    assert grant is not None
    assert (grant.access_token, grant.refresh_token) == (token.access_token, token.refresh_token)
    (stored,) = person.rows("connector_credential")
    assert stored["authorized_at"] is not None
    assert timedelta(minutes=59) < stored["expires_at"] - before <= timedelta(minutes=61)
    whole = str([dict(row) for row in person.rows("connector_credential")])
    assert token.access_token not in whole
    assert token.refresh_token not in whole


def test_a_code_is_exchanged_with_pkce_and_the_clients_own_login(person: Person) -> None:
    for login in ("basic", "body"):
        connector = person.new_connector(client_login=login)
        assert person.authorize(connector).ending is Ending.CONNECTED
        form = person.server.asked[-1]
        assert form["grant_type"] == "authorization_code"
        assert len(form["code_verifier"]) == 43
        assert (form.get("client_secret") == SECRET) is (login == "body")


def test_a_public_client_needs_no_secret(person: Person) -> None:
    person.server.is_public = True
    connector = person.new_connector()
    assert person.rows("connector_credential") == []
    assert person.authorize(connector).ending is Ending.CONNECTED
    assert person.grant(connector) is not None


def test_a_callback_that_is_repeated_at_once_starts_one_run(person: Person) -> None:
    callback = person.agree(person.new_connector())
    with ThreadPoolExecutor(20) as pool:
        endings = [one.ending for one in pool.map(person.finish, [callback] * 20)]
    assert sorted(endings) == [Ending.CONNECTED, *[Ending.UNKNOWN] * 19]
    assert len(person.runs()) == 1
    assert len(person.server.asked) == 1
    assert person.finish(callback).ending is Ending.UNKNOWN


def test_a_callback_that_finds_no_room_can_be_repeated(person: Person) -> None:
    callback = person.agree(person.new_connector())
    person = replace(person, gate=make_gate(1))
    with person.gate.passed(person.tenant.workspace_id), pytest.raises(BusyError):
        person.finish(callback)
    assert person.finish(callback).ending is Ending.CONNECTED


def test_a_state_that_nobody_made_is_unknown(person: Person) -> None:
    person.new_connector()
    for state in ("", "short", "ø" * 43, "A" * 43, "A" * 44, "A" * 42 + "\n"):
        assert person.finish(Callback(state, "code")).ending is Ending.UNKNOWN
    assert person.server.asked == []


def test_a_state_ends_after_ten_minutes(person: Person) -> None:
    connector = person.new_connector()
    callback = person.agree(connector)
    person.execute("UPDATE oauth_state SET expires_at = expires_at - interval '10 minutes'")
    assert person.finish(callback).ending is Ending.UNKNOWN
    assert person.status(connector) == "pending_authorization"


def test_only_a_hash_of_the_state_is_stored_and_the_verifier_is_sealed(person: Person) -> None:
    callback = person.agree(person.new_connector())
    (row,) = person.rows("oauth_state")
    assert callback.state not in str(dict(row))
    assert row["redirect_uri"] == "http://127.0.0.1:1/callback"
    person.finish(callback)
    verifier = person.server.asked[0]["code_verifier"].encode()
    assert verifier not in bytes(row["ciphertext"])


def test_a_refusal_leaves_the_connector_as_it_was(person: Person) -> None:
    connector = person.new_connector()
    person.server.denies = True
    finished = person.authorize(connector)
    assert finished.ending is Ending.DENIED
    assert person.status(connector) == "pending_authorization"
    assert (person.runs(), person.server.asked) == ([], [])


def test_another_error_is_told_without_the_providers_text(person: Person) -> None:
    connector = person.authorized()
    grant = person.grant(connector)
    for error in ("server_error", "invalid_scope", "<script>alert(1)</script>"):
        finished = person.finish(replace(person.agree(connector), code=None, error=error))
        assert finished.ending is Ending.FAILED
        assert "<" not in finished.sentence
        assert (person.status(connector), person.grant(connector)) == ("connected", grant)


NO_TOKENS = (
    (says(400, {"error": "invalid_grant"}), "authorize the connector again"),
    (says(401, {"error": "invalid_client"}), "check its client id and secret"),
    (says(200, {"error": "bad_verification_code"}), "an error code of its own"),
    (says(500, b"canary"), "failed or is too busy"),
    (says(429, Retry_After="5"), "asks for fewer requests"),
    (says(200, b"<html>canary</html>"), "gave no bearer token"),
    (says(200, b"\xff\xfe"), "gave no bearer token"),
    (says(200, b"[" * 100_000), "gave no bearer token"),
    (says(200, {"access_token": "a b"}), "gave no bearer token"),
    (says(200, {"access_token": "a", "token_type": "mac"}), "gave no bearer token"),
    (says(302, Location="http://127.0.0.1:1/canary"), "redirects to another address"),
    (says(200, b" " * 400_000), "is larger than"),
)


def test_a_provider_that_gives_no_tokens_changes_nothing(person: Person) -> None:
    connector = person.new_connector()
    for number, (answer, sentence) in enumerate(NO_TOKENS, start=1):
        person.server.faults.append(answer)
        finished = person.authorize(connector)
        assert finished.ending is Ending.FAILED
        assert sentence in finished.sentence
        assert "canary" not in finished.sentence
        assert person.status(connector) == "pending_authorization"
        assert person.runs() == []
        assert len(person.server.asked) == number


def test_a_provider_that_is_slow_is_given_up(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = timedelta(seconds=1)
    monkeypatch.setattr(token_endpoint, "_LIMITS", Limits(silence=second, answer=second))
    connector = person.new_connector()
    callback = person.agree(connector)

    def wait() -> Response:
        sleep(1.5)
        return Response(b"{}")

    person.server.faults.append(wait)
    finished = person.finish(callback)
    assert finished.ending is Ending.FAILED
    assert person.status(connector) == "pending_authorization"


def test_a_token_whose_end_is_not_told_is_stored_without_one(person: Person) -> None:
    connector = person.new_connector()
    for number, life in enumerate([None, "soon", -1, 0, 1e300, True, [], "nan"]):
        tokens = {"access_token": f"a{number}", "refresh_token": "r", "expires_in": life}
        person.server.faults.append(says(200, tokens))
        assert person.authorize(connector).ending is Ending.CONNECTED
        assert person.grant(connector) == Grant(f"a{number}", "r", None, None)


def test_a_grant_that_cannot_be_renewed_is_said_to_end(person: Person) -> None:
    person.server.faults.append(says(200, {"access_token": "a", "expires_in": 3600}))
    finished = person.authorize(person.new_connector())
    assert finished.ending is Ending.CONNECTED
    assert "nothing to renew the authorization with" in finished.sentence


ISSUERS = (
    (None, None, Ending.CONNECTED),
    (None, "own", Ending.CONNECTED),
    (None, "https://evil.example", Ending.FAILED),
    (None, "nonsense", Ending.FAILED),
    ("own", "own", Ending.CONNECTED),
    ("own", None, Ending.FAILED),
    ("own", "https://evil.example", Ending.FAILED),
)


def test_an_answer_of_another_issuer_is_refused(person: Person) -> None:
    own = person.server.url
    for configured, named, ending in ISSUERS:
        person.server.asked.clear()
        connector = person.new_connector(issuer=own if configured else None)
        person.server.issuer = own if named == "own" else named
        assert person.authorize(connector).ending is ending, (configured, named)
        assert len(person.server.asked) == (ending is Ending.CONNECTED)


def test_a_run_that_is_active_already_is_the_first_sync(
    person: Person, paused: PausedQueue
) -> None:
    connector = person.authorized()
    schedule = make_schedule(
        person.engine, person.tenant, connector=connector, frequency="manual", cron_expression=None
    )
    trigger_schedule(
        person.engine, lambda: paused.queue, person.tenant.principal, schedule["public_id"]
    )
    finished = person.authorize(connector)
    assert (finished.ending, "under way" in finished.sentence) == (Ending.CONNECTED, True)
    assert len(person.runs()) == 2


def test_another_authorization_replaces_the_first_and_starts_a_run(person: Person) -> None:
    connector = person.authorized()
    person.execute("UPDATE workspace_connector SET status = 'needs_reauthorization'")
    assert person.authorize(connector).ending is Ending.CONNECTED
    grant = person.grant(connector)
    assert grant is not None
    assert grant.access_token == person.server.tokens[1].access_token
    assert person.status(connector) == "connected"
    assert [run["status"] for run in person.runs()] == ["cancelled", "scheduled"]


def test_a_disabled_connector_stays_disabled_and_keeps_its_grant(person: Person) -> None:
    connector = person.authorized()
    callback = person.agree(connector)
    disable_connector(person.planner, person.tenant.principal, connector)
    finished = person.finish(callback)
    assert (finished.ending, "enable it" in finished.sentence) == (Ending.CONNECTED, True)
    assert person.status(connector) == "disabled"
    assert len(person.runs()) == 1
    enable_connector(person.planner, person.tenant.principal, connector)
    assert person.status(connector) == "connected"


def test_what_a_deleted_connector_was_authorized_for_is_unknown(person: Person) -> None:
    connector = person.new_connector()
    callback = person.agree(connector)
    delete_connector(person.planner, person.tenant.principal, connector)
    assert person.finish(callback).ending is Ending.UNKNOWN
    assert person.rows("oauth_state") == []


def test_settings_that_change_meanwhile_ask_for_another_authorization(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = person.new_connector()
    callback = person.agree(connector)
    change_connector(
        person.planner,
        person.tenant.principal,
        person.key,
        connector,
        config=person.server.config(client_id="another"),
    )
    assert person.finish(callback).ending is Ending.UNKNOWN

    callback = person.agree(connector)
    exchange = oauth_finish._exchange

    def change_then(*arguments: object) -> object:
        change_connector(
            person.planner,
            person.tenant.principal,
            person.key,
            connector,
            config=person.server.config(client_id="third"),
        )
        return exchange(*arguments)

    monkeypatch.setattr(oauth_finish, "_exchange", change_then)
    person.server.faults.append(says(200, {"access_token": "a"}))
    finished = person.finish(callback)
    assert (finished.ending, "changed meanwhile" in finished.sentence) == (Ending.FAILED, True)
    assert person.status(connector) == "pending_authorization"
    assert person.grant(connector) is None


def test_tokens_that_are_renewed_meanwhile_do_not_win(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = person.authorized()
    opened, tries = oauth_finish.opened_secrets, []

    def open_early(*arguments: object) -> object:
        tries.append(opened(*arguments))
        if len(tries) == 1:
            person.tokens(connector)(person.server.tokens[0].access_token)
        return tries[-1]

    monkeypatch.setattr(oauth_finish, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(oauth_finish, "opened_secrets", open_early)
    assert person.authorize(connector).ending is Ending.CONNECTED
    grant = person.grant(connector)
    assert grant is not None
    assert len(tries) == 2
    assert grant.access_token == person.server.tokens[1].access_token


def test_a_crash_before_the_end_leaves_nothing_half_done(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = person.new_connector()

    def crash(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(oauth_finish, "insert_interactive_run", crash)
    with pytest.raises(SystemExit):
        person.authorize(connector)
    assert person.status(connector) == "pending_authorization"
    assert (person.grant(connector), person.runs()) == (None, [])
    monkeypatch.undo()
    assert person.authorize(connector).ending is Ending.CONNECTED


def test_a_disabled_workspace_gets_nothing(person: Person) -> None:
    connector = person.new_connector()
    callback = person.agree(connector)
    person.execute("UPDATE workspace SET disabled_at = now()")
    assert person.finish(callback).ending is Ending.FAILED
    assert person.status(connector) == "pending_authorization"


def test_neither_code_nor_token_is_logged(person: Person, caplog: pytest.LogCaptureFixture) -> None:
    connector = person.new_connector()
    caplog.set_level("DEBUG", logger="shared")
    callback = person.agree(connector)
    person.finish(callback)
    said = str([vars(record) for record in caplog.records if record.name.startswith("shared")])
    assert "authorization_connected" in said
    (token,) = person.server.tokens
    for secret in (callback.state, callback.code, token.access_token, token.refresh_token, SECRET):
        assert secret is not None
        assert secret not in said


def test_a_queue_that_is_away_leaves_the_first_sync_to_the_next_tick(person: Person) -> None:
    def away() -> CloudTasksQueue:
        raise ConnectionError

    connector = person.new_connector()
    callback = person.agree(connector)
    office = replace(person.office, planner=replace(person.planner, open_queue=away))
    assert finish_authorization(office, callback).ending is Ending.CONNECTED
    (run,) = person.runs()
    assert (run["status"], run["enqueued_at"]) == ("scheduled", None)
