"""How a column of SQLite lands, where each value has a class of its own.

The declared type decides, by SQLite's own rules, as long as the values fit it:

| declared            | without values | whole numbers | with fractions | text or bytes among them |
| ------------------- | -------------- | ------------- | -------------- | ------------------------ |
| INT…, BOOL…         | bigint         | bigint        | decimal        | text                     |
| DEC…, NUM…          | decimal        | decimal       | decimal        | text                     |
| REAL, FLOAT, DOUBLE | double         | decimal       | double         | text                     |
| CHAR, CLOB, TEXT    | text           | text          | text           | text                     |
| anything else       | text           | decimal       | decimal        | text                     |
| BLOB, or nothing    | binary, text   | bigint        | double         | text                     |

Bytes alone are binary, but where text is declared. Dates have no type in SQLite: they land as the
text or number that they are. Nothing is rounded: a fraction lands as the shortest decimal that is
this number and no other, and bytes among text as SQLite writes them, `X'00FF'`.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import Column, Dialect
from sqlalchemy.types import UserDefinedType

from shared.connectors.database.plans import ColumnPlan, Kind
from shared.domain.run import Reason
from shared.errors import TransientError

INTEGER, REAL, TEXT, BLOB = "integer", "real", "text", "blob"
"""The classes of values, as `typeof` names them, beside that of NULL."""

_NUMBERS = frozenset({INTEGER, REAL})
_BYTES = frozenset({BLOB})
_FINDS_ROW = frozenset({Kind.BIGINT, Kind.DECIMAL, Kind.TEXT})


class _Declared(StrEnum):
    """What a declared type wishes for."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    DOUBLE = "double"
    TEXT = "text"
    BLOB = "blob"
    OTHER = "other"
    NOTHING = "nothing"


# The first that is found decides, as in SQLite; what it takes for numeric comes last.
_NAMES: tuple[tuple[str, _Declared], ...] = (
    ("INT", _Declared.INTEGER),
    ("CHAR", _Declared.TEXT),
    ("CLOB", _Declared.TEXT),
    ("TEXT", _Declared.TEXT),
    ("BLOB", _Declared.BLOB),
    ("REAL", _Declared.DOUBLE),
    ("FLOA", _Declared.DOUBLE),
    ("DOUB", _Declared.DOUBLE),
    ("BOOL", _Declared.INTEGER),
    ("DEC", _Declared.DECIMAL),
    ("NUM", _Declared.DECIMAL),
)
_WITHOUT_VALUES: Mapping[_Declared, Kind] = {
    _Declared.INTEGER: Kind.BIGINT,
    _Declared.DECIMAL: Kind.DECIMAL,
    _Declared.DOUBLE: Kind.DOUBLE,
    _Declared.BLOB: Kind.BINARY,
}


_KIND_OF_NUMBERS: Mapping[frozenset[str], Kind] = {
    frozenset({INTEGER}): Kind.BIGINT,
    frozenset({REAL}): Kind.DOUBLE,
    _NUMBERS: Kind.DECIMAL,
}


class _Convert(Protocol):
    """Makes a value of one side one of the other."""

    def __call__(self, value: Any) -> Any: ...


class Stored(UserDefinedType[Any]):
    """The type of a column of SQLite, by what is declared and by what is there."""

    cache_ok = True

    def __init__(self, declared: str, kind: Kind, is_mixed: bool) -> None:
        self.declared = declared
        self.kind = kind
        self.is_mixed = is_mixed

    def get_col_spec(self, **_options: object) -> str:
        """Return the declared type, as people know the column."""
        return self.declared

    def result_processor(self, dialect: Dialect, coltype: object) -> _Convert:  # noqa: ARG002
        """Return what makes a value that was read one of the kind; nothing is lost."""
        return _READERS[self.kind]

    def bind_processor(self, dialect: Dialect) -> _Convert:  # noqa: ARG002
        """Return what makes a value that was read one of SQLite's again."""
        return _as_stored


def stored_type(declared: str, classes: frozenset[str]) -> Stored:
    """Return the type of a column with this declared type, and values of these classes."""
    wish = _declared(declared)
    return Stored(
        declared, _kind(wish, classes), is_mixed=len(classes) > 1 and not classes <= _NUMBERS
    )


def plan_stored(column: Column[Any], stored: Stored) -> ColumnPlan:
    """Return how a column of SQLite lands."""
    return ColumnPlan(
        column.name,
        stored.kind,
        column,
        # Text that stands for values of several classes is not ordered as they are.
        exact=not stored.is_mixed,
        finds_row=not stored.is_mixed and stored.kind in _FINDS_ROW,
    )


def _declared(text: str) -> _Declared:
    if not text.strip():
        return _Declared.NOTHING
    name = text.upper()
    return next((wish for part, wish in _NAMES if part in name), _Declared.OTHER)


def _kind(wish: _Declared, classes: frozenset[str]) -> Kind:
    if not classes:
        return _WITHOUT_VALUES.get(wish, Kind.TEXT)
    if wish is _Declared.TEXT or not classes <= _NUMBERS:
        return Kind.BINARY if classes <= _BYTES and wish is not _Declared.TEXT else Kind.TEXT
    match wish:
        case _Declared.DECIMAL | _Declared.OTHER:
            return Kind.DECIMAL
        case _Declared.INTEGER:
            return Kind.DECIMAL if REAL in classes else Kind.BIGINT
        case _Declared.DOUBLE:
            return Kind.DECIMAL if INTEGER in classes else Kind.DOUBLE
        case _:
            return _KIND_OF_NUMBERS[classes]


def _read_integer(value: Any) -> int | None:
    return value if value is None else _expected(value, int)


def _read_double(value: Any) -> float | None:
    return value if value is None else _expected(value, float)


def _read_bytes(value: Any) -> bytes | None:
    return value if value is None else _expected(value, bytes)


def _read_decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(repr(_expected(value, int, float)))


def _read_text(value: Any) -> str | None:
    match value:
        case None | str():
            return value
        case bytes():
            return f"X'{value.hex().upper()}'"
        case _:
            return repr(value)


_READERS: Mapping[Kind, _Convert] = {
    Kind.BIGINT: _read_integer,
    Kind.DOUBLE: _read_double,
    Kind.DECIMAL: _read_decimal,
    Kind.TEXT: _read_text,
    Kind.BINARY: _read_bytes,
}


def _expected(value: Any, *types: type) -> Any:
    if isinstance(value, types):
        return value
    raise TransientError(
        "The file changed while it was read: a column got a value of another type than its others.",
        code=Reason.SOURCE_UNAVAILABLE,
    )


def _as_stored(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
