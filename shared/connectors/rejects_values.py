"""Which values keep a record out of a dataset: page by page at little cost, then one by one."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from dlt.common.json import PUA_CHARACTER_MAX, PUA_START, PUA_START_UTF8_MAGIC
from dlt.common.json import json as dlt_json

from shared.connectors.rejects import Flaw, RejectReason

_RESERVED = tuple(chr(PUA_START + number) for number in range(PUA_CHARACTER_MAX + 1))
"""dlt marks values of certain types with these, and takes a text that begins with one for such."""

_INTEGERS = range(-(2**63), 2**63)
_NESTED_INTEGERS = range(-(2**63), 2**64)
"""What dlt can write; PostgreSQL takes any number within JSON."""

_MOST_DIGITS = 29
"""How many digits before the point dlt's type for decimals has, if nothing else is said."""

_MOST_DEPTH = 250
"""dlt's writer gives up a little deeper."""

_DOUBTS = (
    b"\\u0000",
    PUA_START_UTF8_MAGIC,
    *(f'"{day}{sign}'.encode() for day in ("0001-01-01", "9999-12-31") for sign in "T "),
)
"""What the JSON of a page holds if a text of it may be refused."""

_WRITABLE = (Decimal, bytes, UUID, datetime, date, time)


class Doubt(StrEnum):
    """What the values of a typed column are, if some of them may be refused."""

    TEXT = "text"
    JSON = "json"
    """JSON as text."""


def are_plain(values: Sequence[Any], doubt: Doubt) -> bool:
    """Tell, at little cost, whether surely none of a typed column's values is refused."""
    try:
        joined = "".join(filter(None, values))
        if doubt is Doubt.JSON and any(sign in joined for sign in ("\\u0000", "\\ud", "\\uD")):
            return False
        if "\0" in joined:
            return False
        if joined.isascii():
            return True
        joined.encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return not any(sign in joined for sign in _RESERVED)


def page_is_plain(records: Sequence[Mapping[str, Any]]) -> bool:
    """Tell, at little cost, whether surely no value of any record is refused."""
    try:
        written = orjson.dumps(records, _stand_in, orjson.OPT_STRICT_INTEGER)
    except TypeError:
        # Often a number beyond 53 bits, as many identifiers are.
        try:
            written = orjson.dumps(records, _stand_in)
        except TypeError:
            return False
        if any(type(value) is int and value not in _INTEGERS for value in _all_values(records)):
            return False
    return not any(doubt in written for doubt in _DOUBTS)


def flaw_of_column(name: str, value: Any, doubt: Doubt) -> Flaw | None:
    """Return what is wrong with a value of a typed column."""
    if not isinstance(value, str):
        return None
    reason = _reason_of_text(value)
    if reason is None and doubt is Doubt.JSON and "\\u" in value:
        try:
            reason = _reason_within(json.loads(value), 1)
        except RecursionError:
            reason = RejectReason.NESTED_TOO_DEEP
        except ValueError:
            return None  # what the source takes for JSON and Python does not, PostgreSQL may take
    return None if reason is None else Flaw(reason, name)


def flaw_of_fields(record: Mapping[Any, Any], types: Mapping[str, str]) -> Flaw | None:
    """Return what is wrong with one of a record's values; `types` are dlt's, where hinted."""
    for name, value in record.items():
        reason = _reason_of_field(value, types.get(name))
        if reason is None and isinstance(name, str) and not _is_unicode(name):
            reason = RejectReason.INVALID_UNICODE
        if reason is not None:
            return Flaw(reason, str(name))
    for name, value in record.items():
        try:
            dlt_json.typed_dumpb([{name: value}])
        except TypeError:
            return Flaw(RejectReason.UNKNOWN_TYPE, str(name))
    return None


def _reason_of_field(value: Any, hinted: str | None) -> RejectReason | None:
    match value:
        case bool() | None | float():
            return None
        case int():
            fits = value in (_INTEGERS if hinted in (None, "bigint") else _NESTED_INTEGERS)
            return None if fits else RejectReason.NUMBER_TOO_LARGE
        case Decimal():
            fits = hinted is not None or _has_few_digits(value)
            return None if fits else RejectReason.NUMBER_TOO_LARGE
        case str():
            is_time = hinted in (None, "timestamp")
            return _reason_of_text(value) or (_reason_of_time(value) if is_time else None)
        case datetime():
            return _reason_of_time(value.isoformat())
        case _:
            return _reason_within(value, 1)


def _reason_within(root: Any, depth: int) -> RejectReason | None:
    """Return what is wrong at any depth of a value that lands as JSON."""
    waiting = [(root, depth)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _MOST_DEPTH:
            return RejectReason.NESTED_TOO_DEEP
        reason = _reason_of_leaf(value)
        if reason is not None:
            return reason
        if isinstance(value, dict):
            for name in value:
                reason = _reason_of_name(name)
                if reason is not None:
                    return reason
            waiting += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list | tuple):
            waiting += [(item, depth + 1) for item in value]
    return None


def _reason_of_leaf(value: Any) -> RejectReason | None:
    if isinstance(value, str):
        return _reason_of_text(value)
    if isinstance(value, int) and value not in _NESTED_INTEGERS:
        return RejectReason.NUMBER_TOO_LARGE
    return None


def _reason_of_name(name: Any) -> RejectReason | None:
    if not isinstance(name, str):
        return None
    if "\0" in name:
        return RejectReason.NUL_CHARACTER
    return None if _is_unicode(name) else RejectReason.INVALID_UNICODE


def _reason_of_text(value: str) -> RejectReason | None:
    if "\0" in value:
        return RejectReason.NUL_CHARACTER
    if not _is_unicode(value):
        return RejectReason.INVALID_UNICODE
    return RejectReason.RESERVED_CHARACTER if value.startswith(_RESERVED) else None


def _reason_of_time(value: str) -> RejectReason | None:
    """Return why dlt, which takes a text that is written as an instant for one, fails at it."""
    if not value.startswith(("0001-01-01", "9999-12-31")):
        return None
    try:
        datetime.fromisoformat(value).astimezone(UTC)
    except OverflowError:
        return RejectReason.TIME_OUT_OF_RANGE
    except ValueError:
        return None
    return None


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _has_few_digits(value: Decimal) -> bool:
    return not value.is_finite() or value.adjusted() < _MOST_DIGITS


def _stand_in(value: object) -> None:
    """Let orjson write null for a value that has no trouble to be written."""
    if not isinstance(value, _WRITABLE) or (
        isinstance(value, Decimal) and not _has_few_digits(value)
    ):
        raise TypeError


def _all_values(records: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    return (value for record in records for value in record.values())
