"""What the records of a first page show of a stream: fields, keys that may be, and cursors."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.connectors.base import SourceColumn
from shared.connectors.json_http.answers import Record

_CHANGES = re.compile(r"(updat|modif|chang|edit|sync)", re.IGNORECASE)
"""Names of fields that move with every change of their record."""
_IS_TIME = re.compile(r"(_at|_on|time|date|stamp|created)", re.IGNORECASE)
_IS_KEY = re.compile(r"(^|_)(id|uuid|guid|key|number|code)$", re.IGNORECASE)
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
_UNIX = (946_684_800, 4_102_444_800_000)
"""Seconds of the year 2000, and milliseconds of the year 2100."""


def columns_of(records: Sequence[Record]) -> tuple[SourceColumn, ...]:
    """Return the fields of records, in their order, with the types that JSON has for them."""
    names = dict.fromkeys(name for record in records for name in record)
    return tuple(_column(name, [record.get(name) for record in records]) for name in names)


def key_of(configured: Sequence[str], records: Sequence[Record]) -> tuple[str, ...]:
    """Return the configured key if it tells the records apart, and else a field that does.

    The configured one if there is none, or nothing to go by.
    """
    if not records or _tells_apart(configured, records):
        return tuple(configured)
    names = [name for name in records[0] if _tells_apart([name], records)]
    likely = sorted(names, key=lambda name: (name.lower() != "id", not _IS_KEY.search(name)))
    return (likely[0],) if likely else tuple(configured)


def cursors_of(columns: Sequence[SourceColumn], records: Sequence[Record]) -> tuple[str, ...]:
    """Return the fields that look like times, those that name a change first."""
    names = [
        column.name
        for column in columns
        if any(_looks_like_time(column.name, record.get(column.name)) for record in records)
    ]
    return tuple(sorted(names, key=lambda name: (not _CHANGES.search(name), name)))


def _column(name: str, values: Sequence[Any]) -> SourceColumn:
    kinds = {_type_of(value) for value in values if value is not None}
    return SourceColumn(name, " or ".join(sorted(kinds)) or "null", is_nullable=None in values)


def _type_of(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case Decimal():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _tells_apart(names: Sequence[str], records: Sequence[Record]) -> bool:
    keys = [tuple(record.get(name) for name in names) for record in records]
    if not all(isinstance(part, int | str) for key in keys for part in key):
        return False
    return len(set(keys)) == len(keys)


def _looks_like_time(name: str, value: Any) -> bool:
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
        return True
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    is_named = bool(_CHANGES.search(name) or _IS_TIME.search(name))
    return is_named and _UNIX[0] <= value <= _UNIX[1]
