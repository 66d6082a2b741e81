"""Signatures of messages, against the reference library of Standard Webhooks."""

import hmac
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from shared.domain.hooks import (
    HookMessage,
    HookScheme,
    is_genuine,
    may_hold_secret,
    message_hash,
    new_secret,
)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECRET = new_secret(HookScheme.STANDARD, bytes(range(32)))
OTHER = new_secret(HookScheme.STANDARD, bytes(32))


def signed(
    body: str = '{"id": 7}', *, at: datetime = NOW, secret: str = SECRET, message_id: str = "msg_1"
) -> HookMessage:
    return HookMessage(
        message_id=message_id,
        timestamp=str(int(at.timestamp())),
        signatures=Webhook(secret).sign(message_id, at, body),
        presented_secret="",
        body=body.encode(),
    )


def genuine(message: HookMessage, *secrets: str) -> bool:
    return is_genuine(message, HookScheme.STANDARD, secrets or (SECRET,), NOW)


@given(
    body=st.text(st.characters(codec="utf-8")),
    message_id=st.text("abc_.-09", min_size=1, max_size=60),
    key=st.binary(min_size=24, max_size=64),
)
def test_what_the_reference_signs_is_genuine(body: str, message_id: str, key: bytes) -> None:
    secret = new_secret(HookScheme.STANDARD, key)
    assert genuine(signed(body, secret=secret, message_id=message_id), OTHER, secret)


@pytest.mark.parametrize(
    "change",
    [
        {"body": b'{"id": 8}'},
        {"message_id": "msg_2"},
        {"message_id": ""},
        {"timestamp": str(int(NOW.timestamp()) + 1)},
        {"timestamp": "nan"},
        {"timestamp": ""},
        {"signatures": ""},
        {"signatures": "v1,"},
        {"signatures": "v1,€"},
        {"signatures": "v1"},
        {"signatures": "v2," + b64encode(bytes(32)).decode()},
    ],
)
def test_nothing_of_a_signed_message_can_be_another(change: dict) -> None:
    assert genuine(signed())
    assert not genuine(replace(signed(), **change))


def test_one_of_several_signatures_is_enough() -> None:
    both = f"v1a,xx {signed(secret=OTHER).signatures} {signed().signatures}"
    assert genuine(replace(signed(), signatures=both))
    assert not genuine(replace(signed(), signatures=both), new_secret(HookScheme.STANDARD, b"x"))


@pytest.mark.parametrize(("seconds", "expected"), [(0, True), (300, True), (301, False)])
def test_a_message_is_taken_within_five_minutes_of_now(seconds: int, expected: bool) -> None:
    for shift in (timedelta(seconds=seconds), -timedelta(seconds=seconds)):
        assert genuine(signed(at=NOW + shift)) is expected


def test_a_body_that_is_no_text_can_be_signed() -> None:
    body = b"\xff\xfe\x00"
    digest = hmac.digest(
        bytes(range(32)), b"m." + signed().timestamp.encode() + b"." + body, sha256
    )
    signature = f"v1,{b64encode(digest).decode()}"
    message = replace(signed(message_id="m"), body=body, signatures=signature)
    assert genuine(message)


def test_a_shared_secret_is_compared_as_a_whole() -> None:
    secret = new_secret(HookScheme.SHARED_SECRET, bytes(range(32)))

    def presents(text: str) -> bool:
        message = HookMessage("", "", "", text, b"")
        return is_genuine(message, HookScheme.SHARED_SECRET, ["other", secret], NOW)

    assert presents(secret)
    assert not any(map(presents, ("", secret[:-1], f"{secret}x", secret.upper(), "\udcff")))


def test_a_message_is_remembered_by_its_id_alone() -> None:
    assert message_hash(signed("a")) == message_hash(signed("b"))
    assert message_hash(signed(message_id="a")) != message_hash(signed(message_id="b"))
    assert message_hash(replace(signed(), message_id="")) is None


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Authorization",
            "Content-Type",
            "Cookie",
            "Host",
            "Idempotency-Key",
            "Transfer-Encoding",
        ),
        *("traceparent", "TraceState", "webhook-id", "X-Forwarded-For", "X-Request-Id"),
    ],
)
def test_a_header_that_means_something_else_holds_no_secret(name: str) -> None:
    assert not may_hold_secret(name)


@pytest.mark.parametrize("name", ["X-Webhook-Secret", "X-Gitlab-Token", "token"])
def test_a_header_of_ones_own_holds_a_secret(name: str) -> None:
    assert may_hold_secret(name)
