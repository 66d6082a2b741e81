"""Messages in which a source says that something changed: whether the sender is the source."""

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

SECRET_PREFIX = "whsec_"  # noqa: S105 (how a secret begins is none)
TOLERANCE = timedelta(minutes=5)
"""By how much the time of a message may differ from ours."""
MAX_MESSAGE_ID = 256
"""Characters."""

_SECONDS = re.compile(r"[0-9]{1,12}")
_TAKEN_HEADERS = frozenset(
    {
        "accept",
        "authorization",
        "baggage",
        "connection",
        "cookie",
        "date",
        "expect",
        "forwarded",
        "host",
        "idempotency-key",
        "keep-alive",
        "origin",
        "range",
        "referer",
        "te",
        "trailer",
        "traceparent",
        "tracestate",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-cloud-trace-context",
        "x-real-ip",
        "x-request-id",
    }
)
_TAKEN_PREFIXES = (
    "accept-",
    "access-control-",
    "content-",
    "function-",
    "if-",
    "proxy-",
    "sec-",
    "syncline-",
    "webhook-",
    "x-appengine-",
    "x-cloudtasks-",
    "x-forwarded-",
    "x-goog-",
    "x-serverless-",
)
_MOST_SIGNATURES = 20


class HookScheme(StrEnum):
    """How a message proves where it is from.

    - STANDARD: Standard Webhooks: `webhook-id`, `webhook-timestamp` and a `webhook-signature` over
      both and the body.
    - SHARED_SECRET: a header holds the secret. For sources that cannot sign.
    """

    STANDARD = "standard"
    SHARED_SECRET = "shared_secret"  # noqa: S105 (the name of a scheme)


@dataclass(frozen=True, slots=True)
class HookMessage:
    """What came of a message, headers as they are and absent ones empty."""

    message_id: str
    timestamp: str
    signatures: str
    presented_secret: str
    body: bytes


def is_genuine(
    message: HookMessage, scheme: HookScheme, secrets: Sequence[str], now: datetime
) -> bool:
    """Tell whether a message was made with one of the secrets, and is of this time.

    Every secret is tried, so that the time that it takes tells nothing. Only signed messages have a
    time.
    """
    match scheme:
        case HookScheme.STANDARD:
            is_signed = [_is_signed(message, secret) for secret in secrets]
            return any(is_signed) and _is_timely(message.timestamp, now)
        case HookScheme.SHARED_SECRET:
            presented = _digest(message.presented_secret)
            found = [hmac.compare_digest(presented, _digest(secret)) for secret in secrets]
            return any(found)


def may_hold_secret(header: str) -> bool:
    """Tell whether a header of this name is free to hold a secret.

    Others have a meaning to those on the way or to us, who change, echo or log them.
    """
    name = header.lower()
    return name not in _TAKEN_HEADERS and not name.startswith(_TAKEN_PREFIXES)


def message_hash(message: HookMessage) -> bytes | None:
    """Return what a message is remembered by, or None for one that names no id."""
    return _digest(message.message_id) if message.message_id else None


def new_secret(scheme: HookScheme, random: bytes) -> str:
    """Return a secret as its holder is given it; `random` are its bytes."""
    match scheme:
        case HookScheme.STANDARD:
            return f"{SECRET_PREFIX}{base64.b64encode(random).decode()}"
        case HookScheme.SHARED_SECRET:
            return base64.urlsafe_b64encode(random).decode().rstrip("=")


def _is_signed(message: HookMessage, secret: str) -> bool:
    expected = _signature(message, secret)
    is_found = False
    for one in message.signatures.split(" ")[:_MOST_SIGNATURES]:
        version, _, signature = one.partition(",")
        if version == "v1" and hmac.compare_digest(_unpacked(signature), expected):
            is_found = True
    return is_found and 0 < len(message.message_id) <= MAX_MESSAGE_ID


def _signature(message: HookMessage, secret: str) -> bytes:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    head = f"{message.message_id}.{message.timestamp}.".encode(errors="surrogateescape")
    return hmac.digest(key, head + message.body, sha256)


def _unpacked(signature: str) -> bytes:
    try:
        return base64.b64decode(signature.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        return b""


def _is_timely(timestamp: str, now: datetime) -> bool:
    if not _SECONDS.fullmatch(timestamp):
        return False
    return abs(int(timestamp) - now.timestamp()) <= TOLERANCE.total_seconds()


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogateescape")).digest()
