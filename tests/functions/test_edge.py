"""What all functions have in common: settings from the environment, and silence about trouble."""

import logging
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared.wiring import wire
from tests.functions.conftest import AWAY, CANARY, Logged, Serve, Tokens

WIRED = ("api", "dispatcher", "worker")
"""The functions that read settings: the OAuth callback has nothing to set up yet."""


def call(client: FlaskClient, name: str, tokens: Tokens) -> TestResponse:
    if name == "dispatcher":
        return client.post("/", headers=tokens.scheduler())
    if name == "worker":
        return client.post("/", json={"run_id": str(uuid4())}, headers=tokens.tasks())
    return client.get("/api/v2/connectors", headers={"Authorization": "Bearer sk_x_y"})


@pytest.mark.parametrize("name", ["dispatcher", "worker"])
def test_a_database_that_is_away_is_a_500_that_says_nothing_of_it(
    serve: Serve,
    tokens: Tokens,
    logged: Logged,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setenv("SYNCLINE_DATABASE_URL", AWAY)
    answer = call(serve(name), name, tokens)
    assert answer.status_code == 500
    assert answer.json == {
        "code": "internal",
        "detail": "Something broke on our side; it is logged.",
    }
    written, (line,) = logged.read()
    assert (line["event"], line["severity"]) == ("request_failed", "ERROR")
    assert "Error at " in line["error_class"]
    for told in (CANARY, "somebody", "nowhere", "127.0.0.1", "create a connection"):
        assert told not in written


@pytest.mark.parametrize("name", ["dispatcher", "worker"])
def test_a_login_that_sees_past_the_policies_is_a_500_and_the_log_says_what_to_do(
    serve: Serve,
    tokens: Tokens,
    logged: Logged,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    client = serve(name)
    monkeypatch.setenv("SYNCLINE_DATABASE_URL", database_url)
    for _ in range(2):
        assert call(client, name, tokens).status_code == 500
        _, (line,) = logged.read()
        assert "is a superuser" in line["reason"]
        assert "docs/database-roles.md" in line["reason"]


@pytest.mark.parametrize("name", WIRED)
def test_a_missing_setting_is_a_500_and_named_in_the_log_alone(
    serve: Serve,
    tokens: Tokens,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.delenv("SYNCLINE_WORKER_URL")
    answer = call(serve(name), name, tokens)
    assert answer.status_code == 500
    assert "SYNCLINE" not in answer.text
    assert "Set SYNCLINE_WORKER_URL. README.md" in caplog.text
    assert wire.cache_info().currsize == 0


@pytest.mark.parametrize("name", WIRED)
def test_the_environment_is_read_at_the_first_request_and_kept(
    serve: Serve, tokens: Tokens, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    client = serve(name)
    monkeypatch.setenv("SYNCLINE_POOL_SIZE", "3")
    call(client, name, tokens)
    monkeypatch.setenv("SYNCLINE_POOL_SIZE", "4")
    call(client, name, tokens)
    assert wire(name).settings.pool_size == 3
    assert wire.cache_info().misses == 1


@pytest.mark.parametrize("name", WIRED)
def test_logs_take_the_form_that_the_environment_asks_for(
    serve: Serve,
    tokens: Tokens,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.setenv("SYNCLINE_LOG_FORMAT", "text")
    call(serve(name), name, tokens)
    logging.getLogger("shared.test").warning("heard")
    assert f"Z {name:<14} WARNING: heard" in capsys.readouterr().err
