"""Cursors: places in a list, sealed, since they hold internal keys that the outside never sees.

Each workspace has a key of its own in its row, which every instance reads with the caller: nothing
is shared or rotated. Whoever can read it can read the places themselves. The same place is always
the same text, and a cursor is good for the list that it is of, and for nothing else.
"""

import base64
import binascii
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from flask import g

from shared.errors import InvalidInputError, Problem

Found = TypeVar("Found")
HINT = "Use `next_cursor` as it came."

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class CursorError(ValueError):
    """It is no cursor of this list."""


def encode_cursor(*numbers: int) -> str:
    """Return the text for a place in the list of the request under way."""
    return seal(g.principal.cursor_key, g.operation.id, *numbers)


def decode_cursor(text: str, count: int) -> tuple[int, ...]:
    """Return the `count` numbers of a place in that list; raise `CursorError` if it is none."""
    return unseal(g.principal.cursor_key, g.operation.id, text, count)


def read_cursor(text: str | None, read: Callable[[str], Found]) -> Found | None:
    """Return what a cursor stands for, None for none; raise `InvalidInputError` if it is none."""
    try:
        return None if text is None else read(text)
    except CursorError as error:
        raise InvalidInputError(Problem("cursor", "cursor_form", str(error), HINT)) from None


def seal(key: UUID, operation: str, *numbers: int) -> str:
    """Return the text for a place in the list of an operation."""
    packed = struct.pack(f">{len(numbers)}q", *numbers)
    sealed = _cipher(key).encrypt(packed, [operation.encode()])
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def unseal(key: UUID, operation: str, text: str, count: int) -> tuple[int, ...]:
    """Return the `count` numbers that were sealed; raise `CursorError` if they were not."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
        packed = _cipher(key).decrypt(sealed, [operation.encode()])
        return struct.unpack(f">{count}q", packed)
    except (ValueError, binascii.Error, InvalidTag, struct.error):
        raise CursorError("it is not a cursor of this list") from None


def to_number(instant: datetime) -> int:
    """Return the microseconds since 1970 of an instant."""
    return (instant - _EPOCH) // _MICROSECOND


def to_instant(number: int) -> datetime:
    """Return the instant of what `to_number` returned."""
    return _EPOCH + number * _MICROSECOND


def _cipher(key: UUID) -> AESSIV:
    # Deterministic by design, and safe without a nonce; it takes a key of 256 bits.
    return AESSIV(sha256(key.bytes).digest())
