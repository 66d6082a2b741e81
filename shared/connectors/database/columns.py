"""How a column of a source lands in a dataset: what is selected, and as which type.

Every value lands exactly. A type that a dataset does not know is selected as text, as the source
itself writes it.
"""

from collections.abc import Mapping
from ctypes import c_float
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    Double,
    Text,
    cast,
    func,
    literal_column,
    type_coerce,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import (
    ARRAY,
    JSON,
    REAL,
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Numeric,
    String,
    Time,
    TypeDecorator,
    TypeEngine,
    Uuid,
)


class Kind(StrEnum):
    """The types that a dataset knows, by dlt's names for them."""

    BIGINT = "bigint"
    BINARY = "binary"
    BOOL = "bool"
    DATE = "date"
    DECIMAL = "decimal"
    DOUBLE = "double"
    JSON = "json"
    TEXT = "text"
    TIME = "time"
    TIMESTAMP = "timestamp"


CURSOR_KINDS = frozenset(
    {Kind.BIGINT, Kind.DATE, Kind.DECIMAL, Kind.DOUBLE, Kind.TEXT, Kind.TIMESTAMP}
)

_SORTED_CHARACTERS = 255
"""MySQL and MariaDB sort text by its first 1,024 bytes only (`max_sort_length`)."""

_WRITTEN_LETTERS = 36
"""A UUID takes so many as text, and no time of day takes more."""

_SINGLE_DIGITS = 9
"""So many digits tell every number of single precision from all others."""

_HELD_BY: Mapping[str, frozenset[Kind]] = {
    "bool": frozenset({Kind.BOOL}),
    "int": frozenset({Kind.BIGINT, Kind.DECIMAL}),
    "decimal": frozenset({Kind.BIGINT, Kind.DECIMAL}),
    "float": frozenset({Kind.DOUBLE}),
    "str": frozenset({Kind.TEXT}),
    "date": frozenset({Kind.DATE}),
    "datetime": frozenset({Kind.TIMESTAMP}),
    "time": frozenset({Kind.TIME}),
}
"""Type of a stored value, and the kinds of columns that it can be compared with."""


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column on its way: `expression` selects it, `kind` is what it lands as."""

    name: str
    kind: Kind
    expression: ColumnElement[Any]
    exact: bool = True
    """False if what is selected does not compare as the source compares it."""
    finds_row: bool = False
    """True if the column, compared with a value that was read of it, tells what comes behind it."""
    longest: int | None = None
    """How many letters or bytes a text, JSON or binary value has at most; None if no one knows."""
    precision: int | None = None
    scale: int | None = None
    has_zone: bool = False

    def holds(self, type_name: str | None) -> bool:
        """Tell whether a value of this type can be one of the column's; see `write_value`."""
        return type_name is not None and self.kind in _HELD_BY.get(type_name, frozenset())


class _Single(TypeDecorator[float]):
    """A number of single precision, read as a double and told by as few digits as it needs."""

    impl = Double(asdecimal=False)
    cache_ok = True

    def process_result_value(
        self,
        value: float | None,
        dialect: Dialect,  # noqa: ARG002 (SQLAlchemy's signature)
    ) -> float | None:
        """Return the double with the fewest digits that is this number in single precision."""
        if value is None:
            return None
        written = (float(f"{value:.{digits}g}") for digits in range(6, _SINGLE_DIGITS + 1))
        return next((short for short in written if c_float(short).value == value), value)


def plan_column(column: Column[Any], dialect: str) -> ColumnPlan:  # noqa: PLR0911 (a table)
    """Return how a column of a source of this dialect (`postgresql`, `mysql`, `mariadb`) lands."""
    name, kind_of = column.name, column.type
    match kind_of:
        case Boolean():
            return ColumnPlan(name, Kind.BOOL, column, finds_row=True)
        case mysql.BIT() | mysql.YEAR():
            return ColumnPlan(name, Kind.BIGINT, cast(column, BigInteger), exact=False)
        case mysql.BIGINT(unsigned=True):
            return ColumnPlan(name, Kind.DECIMAL, column, precision=20, scale=0, finds_row=True)
        case Integer():
            return ColumnPlan(name, Kind.BIGINT, column, finds_row=True)
        case Float():
            single = isinstance(kind_of, REAL | mysql.FLOAT)
            return ColumnPlan(name, Kind.DOUBLE, _as_double(column), exact=not single)
        case Numeric():
            scale = kind_of.scale or 0 if kind_of.precision is not None else None
            precision = kind_of.precision
            return ColumnPlan(
                name, Kind.DECIMAL, column, precision=precision, scale=scale, finds_row=True
            )
        case DateTime():
            # TIMESTAMP of MySQL is an instant, shown in the session's zone, which we set to UTC.
            zone = kind_of.timezone or isinstance(kind_of, mysql.TIMESTAMP)
            return ColumnPlan(name, Kind.TIMESTAMP, column, has_zone=zone, finds_row=True)
        case Date():
            return ColumnPlan(name, Kind.DATE, column, finds_row=True)
        case _:
            return _plan_other(column, dialect)


def _as_double(column: Column[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, mysql.FLOAT):
        # Written by the server itself it has six digits, and is rounded; a sum is a double.
        return type_coerce(column + literal_column("0e0"), _Single())
    return type_coerce(column, Double(asdecimal=False))


def _plan_other(column: Column[Any], dialect: str) -> ColumnPlan:  # noqa: PLR0911 (a table)
    name, kind_of = column.name, column.type
    as_text = cast(column, Text)
    match kind_of:
        case Time(timezone=False) if dialect == "postgresql":
            return ColumnPlan(name, Kind.TIME, column, finds_row=True)
        case JSON():
            return ColumnPlan(name, Kind.JSON, as_text, exact=False)
        case ARRAY():
            return ColumnPlan(name, Kind.JSON, cast(func.to_jsonb(column), Text), exact=False)
        case Uuid() | Time():
            # The source reads such a text as what it was, and compares by its own order.
            return ColumnPlan(
                name, Kind.TEXT, as_text, exact=False, finds_row=True, longest=_WRITTEN_LETTERS
            )
        case Enum(length=longest):
            return ColumnPlan(name, Kind.TEXT, as_text, exact=False, longest=longest)
        case mysql.SET():
            return ColumnPlan(name, Kind.TEXT, as_text, exact=False)
        case String(length=length):
            short = length is not None and length <= _SORTED_CHARACTERS
            finds_row = dialect == "postgresql" or short
            return ColumnPlan(name, Kind.TEXT, column, finds_row=finds_row, longest=length)
        case _ if _holds_bytes(kind_of):
            longest = getattr(kind_of, "length", None)
            return ColumnPlan(name, Kind.BINARY, column, longest=longest)
        case _:
            return ColumnPlan(name, Kind.TEXT, as_text, exact=False)


def _holds_bytes(kind_of: TypeEngine[Any]) -> bool:
    try:
        return kind_of.python_type is bytes
    except NotImplementedError:
        return False
