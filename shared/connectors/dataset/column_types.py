"""Which type a column of the dataset needs, so that what a load brings lands in it exactly.

Types are as PostgreSQL's `format_type` writes them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TYPE = re.compile(r"([a-z ]+?)(?:\((-?\d+(?:,-?\d+)?)\))?( with(?:out)? time zone)?")
_INTEGERS = ("smallint", "integer", "bigint")
"""From narrow to wide."""
_DIGITS: Mapping[str, int] = {"smallint": 5, "integer": 10, "bigint": 19}
"""How many digits the largest of these integers has; one fewer fit whatever they are."""
_MOST_DIGITS = 1_000
_TEXTS = frozenset({"character varying", "text"})
_WRITTEN_ONE_WAY = frozenset({*_INTEGERS, "numeric", "boolean", "jsonb", "time without time zone"})
"""Written as text the same way by every session. Dates, instants, floating numbers and bytes are
not: settings of the server decide how."""

_HOLDS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_TEXTS, _TEXTS | _WRITTEN_ONE_WAY),
    "real": frozenset({"real", "smallint"}),
    "double precision": frozenset({"double precision", "real", "smallint", "integer"}),
    **{
        name: frozenset({name})
        for name in (
            "time without time zone",
            "timestamp without time zone",
            "timestamp with time zone",
        )
    },
}
"""By type of a column: the types whose every value it holds exactly, if nothing limits its length.

A date is no timestamp and a timestamp no date: midnight would be invented or dropped. A timestamp
without a zone is no instant: a zone would be. A bigint is no double: above 2^53 it would round.
"""

_KINDS: Mapping[str, str] = {
    **dict.fromkeys(_TEXTS, "text"),
    **dict.fromkeys(_INTEGERS, "bigint"),
    "numeric": "decimal",
    "real": "double",
    "double precision": "double",
    "boolean": "bool",
    "timestamp with time zone": "timestamp",
    "timestamp without time zone": "timestamp",
    "time without time zone": "time",
    "jsonb": "json",
    "bytea": "binary",
}
"""dlt's names for the types, where they are not the same."""

_WIDENS: Mapping[tuple[str, str], str] = {("real", "double precision"): "double precision"}
"""By types of a column and of what was staged: the type that holds the values of both."""


@dataclass(frozen=True, slots=True)
class _Type:
    """A type taken apart: `limits` are a length, the digits of a second, or those of a numeric."""

    name: str
    limits: tuple[int, ...]


def needed_type(held: str, staged: str) -> str | None:
    """Return the type a column of type `held` needs, to take values of type `staged` exactly.

    That is `held` itself where it holds them already, and else a wider type that also keeps every
    value that is there, and what it means. None if there is no such type.
    """
    if held == staged:
        return held
    column, brought = _taken_apart(held), _taken_apart(staged)
    if _is_decimal(column) and _is_decimal(brought):
        return _needed_decimal(held, column, brought)
    if brought.name in _HOLDS.get(column.name, frozenset()):
        return column.name if column.limits else held
    return _WIDENS.get((column.name, brought.name))


def kind_of(name: str) -> str:
    """Return what dlt calls a type, as it stands in names: `decimal` for `numeric(10,2)`."""
    plain = _taken_apart(name).name
    return _KINDS.get(plain) or re.sub(r"\W+", "_", plain)


def _taken_apart(name: str) -> _Type:
    found = _TYPE.fullmatch(name)
    if found is None:
        return _Type(name, ())
    limits = tuple(int(number) for number in (found[2] or "").split(",") if number)
    return _Type(found[1] + (found[3] or ""), limits)


def _is_decimal(kind: _Type) -> bool:
    return kind.name == "numeric" or kind.name in _INTEGERS


def _needed_decimal(held: str, column: _Type, brought: _Type) -> str:
    if column.name in _INTEGERS and brought.name in _INTEGERS:
        return max(column.name, brought.name, key=_INTEGERS.index)
    room, wanted = _places(column), _places(brought)
    if room is None:
        return held
    if wanted is None:
        return "numeric"
    spare = 1 if column.name in _INTEGERS else 0
    if wanted[0] <= room[0] - spare and wanted[1] <= room[1]:
        return held
    before, behind = max(room[0], wanted[0]), max(room[1], wanted[1])
    return "numeric" if before + behind > _MOST_DIGITS else f"numeric({before + behind},{behind})"


def _places(kind: _Type) -> tuple[int, int] | None:
    """Return how many digits stand before and behind the point at most; None if nothing limits."""
    match kind.limits:
        case (precision, scale):
            return precision - scale, scale
        case _:
            return (_DIGITS[kind.name], 0) if kind.name in _INTEGERS else None
