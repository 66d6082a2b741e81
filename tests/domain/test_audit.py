"""What the audit log keeps of a change."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.domain.audit import (
    LEFT_OUT,
    MASK,
    MOST_BYTES,
    MOST_TEXT,
    Change,
    ObjectKind,
    Outcome,
    differences,
    without_secrets,
)


def test_of_a_change_the_fields_that_differ_are_kept() -> None:
    before = {"name": "a", "timezone": "UTC", "note": None, "updated_at": 1}
    after = {"name": "b", "timezone": "UTC", "note": "x", "updated_at": 2}
    assert differences(before, after) == ({"name": "a", "note": None}, {"name": "b", "note": "x"})


def test_of_a_creation_and_a_deletion_everything_is_kept() -> None:
    fields = {"name": "a", "updated_at": "now"}
    assert differences(None, fields) == (None, fields)
    assert differences(fields, None) == (fields, None)


SECRET_NAMES = (
    *("password", "Password", "dbPassword", "PGPASSWORD", "passwd", "db_pwd", "keyPassphrase"),
    *("client_secret", "clientSecret", "clientsecret", "ClientSecret", "secret", "secret_hash"),
    *("api_token", "token", "refreshToken", "SAS-Token"),
    *("api_key", "apiKey", "apikey", "X-Api-Key", "APIKey", "x_api_key"),
    *("access_key", "accessKey", "secret_access_key", "accountKey", "private_key", "tls_key"),
    *("dsn", "DSN", "sentry_dsn", "sentryDsn", "sentryDSN"),
    *("connection_string", "connectionString", "Connection String"),
    *("cookie", "Cookie", "Set-Cookie", "session_cookie"),
    *("Authorization", "Proxy-Authorization", "credential", "ciphertext"),
)
VISIBLE_NAMES = (
    *("key", "primary_key", "primaryKey", "cursor_key", "cursorKey", "entity_key", "keys"),
    *("access_key_id", "api_key_id", "key_version", "idempotency_key", "schedule_key"),
    *("secrets_set", "secrets_replaced", "secret_header", "previous_secret_until"),
    *("token_url", "token_version", "authorization_url", "authorized_at", "records_n", "recordsn"),
    *("cookie_domain", "connection_strings_seen", "", "-", "a\u00e9"),
)


@pytest.mark.parametrize("name", VISIBLE_NAMES)
def test_what_only_sounds_like_a_secret_is_seen(name: str) -> None:
    assert without_secrets({name: "seen"}) == {name: "seen"}


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_what_has_a_secrets_name_is_masked_at_any_depth(name: str) -> None:
    config = {"auth": [{"type": "x", name: "canary"}], "empty": {name: None}}
    assert without_secrets(config) == {"auth": [{"type": "x", name: MASK}], "empty": {name: None}}
    assert differences(None, {name: "canary"}) == (None, {name: MASK})


def test_that_a_secret_was_changed_is_seen_and_what_it_was_is_not() -> None:
    assert differences({"password": "a"}, {"password": "b"}) == (
        {"password": MASK},
        {"password": MASK},
    )


def test_values_become_what_json_knows() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    told = without_secrets({"at": at, "id": UUID(int=1), "days": (1, 2), "on": True, "x": 1.5})
    assert json.loads(json.dumps(told)) == told


def test_what_is_kept_of_a_change_is_bounded() -> None:
    assert without_secrets("x" * 5_000) == "x" * MOST_TEXT + "…"
    fields = {"name": "a", "streams": ["x" * 1_000] * 1_000}
    _, told = differences(None, fields)
    assert told == {"name": "a", "streams": LEFT_OUT}
    assert len(json.dumps(told)) < MOST_BYTES


def test_what_is_short_stays_beside_what_is_left_out() -> None:
    config = {"url": "postgresql://elsewhere.example/x", "streams": ["x" * 1_000] * 1_000}
    _, told = differences({"config": {"url": "here"}}, {"config": config})
    assert told == {"config": {"url": config["url"], "streams": LEFT_OUT}}
    many = {f"header {number}": number for number in range(20_000)}
    _, told = differences(None, {"name": "a", "config": {"url": "there", "headers": many}})
    assert told is not None
    assert len(json.dumps(told)) <= MOST_BYTES
    assert told["name"] == "a"


def test_a_change_with_a_code_was_refused() -> None:
    assert Change("create", ObjectKind.CONNECTOR).outcome is Outcome.DONE
    assert Change("create", ObjectKind.CONNECTOR, code="forbidden").outcome is Outcome.REFUSED
