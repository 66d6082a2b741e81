"""Where a page of what only grows begins: runs, and entries of the audit log, newest first."""

from typing import Annotated

from pydantic import Field, StringConstraints

from shared.domain.log_place import LogPlace
from shared.web.cursors import (
    decode_cursor,
    encode_cursor,
    read_cursor,
    to_instant,
    to_number,
)

LogCursor = Annotated[
    str,
    StringConstraints(max_length=64),
    Field(description="`next_cursor` of the page before, as it came."),
]


def encode_place(place: LogPlace | None) -> str | None:
    """Return the opaque text for a place, or None for none."""
    return None if place is None else encode_cursor(to_number(place.created_at), place.key)


def decode_place(cursor: str | None) -> LogPlace | None:
    """Return the place that a cursor stands for; raise `InvalidInputError` if it is none."""
    return read_cursor(cursor, _place)


def _place(cursor: str) -> LogPlace:
    created_at, key = decode_cursor(cursor, 2)
    return LogPlace(to_instant(created_at), key)
