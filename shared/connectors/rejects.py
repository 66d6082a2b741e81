"""Records that cannot be loaded: why, and what is kept of them."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from shared.domain.fault import Fault
from shared.errors import PermanentError

MOST_REJECTS = 1_000
"""How many records of a stream one slice may reject; more of them are the stream's trouble."""

_SHOWN_CHARACTERS = 10_000
_DETAIL_CHARACTERS = 200
_SHOWN_DEPTH = 20
_SURROGATE = re.compile("[\ud800-\udfff]")


class RejectReason(StrEnum):
    """Why a dataset cannot take a record, while others of its page land."""

    NOT_AN_OBJECT = "not_an_object"
    KEY_MISSING = "key_missing"
    KEY_TYPE = "key_type"
    KEY_TOO_LONG = "key_too_long"
    NUL_CHARACTER = "nul_character"
    INVALID_UNICODE = "invalid_unicode"
    RESERVED_CHARACTER = "reserved_character"
    NUMBER_TOO_LARGE = "number_too_large"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    NESTED_TOO_DEEP = "nested_too_deep"
    NAMES_CLASH = "names_clash"
    TOO_WIDE = "too_wide"
    UNKNOWN_TYPE = "unknown_type"


_TOLD: Mapping[RejectReason, tuple[str, str]] = {
    RejectReason.NOT_AN_OBJECT: (
        "they are no objects with fields",
        "check where the connector looks for records",
    ),
    RejectReason.KEY_MISSING: (
        "a part of the primary key is missing or null",
        "choose a primary key that every record has",
    ),
    RejectReason.KEY_TYPE: (
        "a part of the primary key is of another type than in the record before",
        "choose a primary key of one type",
    ),
    RejectReason.KEY_TOO_LONG: (
        "the primary key is too long for an index",
        "choose a shorter primary key",
    ),
    RejectReason.NUL_CHARACTER: (
        "a text holds a NUL character",
        "take it out at the source, or leave the column out",
    ),
    RejectReason.INVALID_UNICODE: (
        "a text is not valid Unicode",
        "correct it at the source, or leave the column out",
    ),
    RejectReason.RESERVED_CHARACTER: (
        "a text begins with a character from U+F026 to U+F02E, which the loader reads as a sign",
        "take it out at the source, or leave the column out",
    ),
    RejectReason.NUMBER_TOO_LARGE: (
        "a number is too large for its column",
        "bring it as text, or leave the column out",
    ),
    RejectReason.TIME_OUT_OF_RANGE: (
        "a date or time is not within the years 1 to 9999 in UTC",
        "correct it at the source, or leave the column out",
    ),
    RejectReason.NESTED_TOO_DEEP: (
        "a value is nested too deep",
        "leave the column out",
    ),
    RejectReason.NAMES_CLASH: (
        "two of their fields would share one column of the dataset",
        "leave one of them out",
    ),
    RejectReason.TOO_WIDE: (
        "they have more values than a row of the dataset has room for",
        "select fewer columns",
    ),
    RejectReason.UNKNOWN_TYPE: (
        "they hold a value of a type that no column takes",
        "leave the column out",
    ),
}
"""What they have in common, and what to do."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a record: `detail` names its column, and no value."""

    reason: RejectReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """A rejected record, as it is kept.

    `record` is its JSON text, cut, and `record_hash` the SHA-256 of the whole one in hexadecimal.
    `key` has its key by column of the dataset, as text for the column's type; None if nobody can
    tell which row of the dataset it is.
    """

    flaw: Flaw
    record: str
    record_hash: str
    key: Mapping[str, str] | None


def make_reject(record: object, flaw: Flaw, key: Mapping[str, str] | None) -> Reject:
    """Return what is kept of a record with a flaw."""
    written = _written(record, is_sorted=False)
    return Reject(
        Flaw(flaw.reason, _storable(flaw.detail)[:_DETAIL_CHARACTERS]),
        written[:_SHOWN_CHARACTERS],
        sha256(_written(record, is_sorted=True).encode()).hexdigest(),
        key,
    )


def too_many_rejects(stream: str, flaws: Counter[Flaw]) -> PermanentError:
    """Return the error that ends a stream of which more than `MOST_REJECTS` were rejected."""
    reasons: Counter[RejectReason] = Counter()
    for flaw, times in flaws.items():
        reasons[flaw.reason] += times
    reason = reasons.most_common(1)[0][0]
    details = Counter(
        {flaw.detail: times for flaw, times in flaws.items() if flaw.reason is reason}
    )
    why, remedy = _TOLD[reason]
    detail = _storable(details.most_common(1)[0][0])[:_DETAIL_CHARACTERS]
    where = f": {detail}" if detail else ""
    return PermanentError(
        f"More than {MOST_REJECTS:,} records of {stream} cannot be loaded, most because"
        f" {why}{where}. Nothing of them was loaded: {remedy}.",
        fault=Fault.SCHEMA,
    )


def is_storable(value: object) -> bool:
    """Tell whether a value, if it is a text, is one that PostgreSQL can hold."""
    if not isinstance(value, str):
        return True
    return "\0" not in value and _SURROGATE.search(value) is None


def text_of_key(value: object) -> str:
    """Return a part of a key as a text that its column's type reads."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, dict | list):
        return json.dumps(value, default=_plain)
    return _plain(value)


def _written(record: object, *, is_sorted: bool) -> str:
    try:
        text = json.dumps(record, ensure_ascii=False, default=_plain, sort_keys=is_sorted)
    except (RecursionError, TypeError, ValueError):  # too deep, names of many types, or a circle
        text = json.dumps(_shallow(record, _SHOWN_DEPTH), ensure_ascii=False, sort_keys=is_sorted)
    return _storable(text)


def _storable(text: str) -> str:
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).replace("\0", "\\u0000")


def _plain(value: object) -> str:
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case str() | int() | float() | Decimal() | UUID():
            return str(value)
        case _:
            # Another object's text may differ in each run, and the record has one hash.
            return type(value).__name__


def _shallow(value: Any, depth: int) -> Any:
    match value:
        case dict() | list() if depth == 0:
            return "…"
        case dict():
            return {_plain(name): _shallow(item, depth - 1) for name, item in value.items()}
        case list():
            return [_shallow(item, depth - 1) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return _plain(value)
