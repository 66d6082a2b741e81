"""Dates and times of PostgreSQL that Python does not have: they come as their text.

`infinity`, years before 1 and after 9999: psycopg2 would make the first and last days of Python of
the one, and end the sync with the other. As text such a value lands in a column beside its own.
"""

from functools import partial
from typing import Any

from psycopg2.extensions import PYDATE, PYDATETIME, PYDATETIMETZ, new_type, register_type  # pyright: ignore[reportAttributeAccessIssue] (the stubs lack them)
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

_KINDS = (
    (1082, "DATE", PYDATE),
    (1114, "TIMESTAMP", PYDATETIME),
    (1184, "TIMESTAMPTZ", PYDATETIMETZ),
)
"""By the types' numbers in PostgreSQL."""
_INFINITE = ("i", "-")


def keep_every_time(connection: Connection) -> None:
    """Let a connection give every date and time as it is."""
    for number, name, known in _KINDS:
        register_type(new_type((number,), name, partial(_read, known)), connection)


def _read(known: Any, text: str | bytes | None, cursor: Cursor) -> object:
    if not isinstance(text, str):
        return text
    if text.startswith(_INFINITE):
        return text
    try:
        return known(text, cursor)
    except (ValueError, OverflowError):
        return text
