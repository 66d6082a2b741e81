"""How a column of a source lands in a dataset: what is selected, and as which type.

Every value lands exactly. A type that a dataset does not know is selected as text, as the source
itself writes it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Double, Text, cast, func, type_coerce
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


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column on its way: `expression` selects it, `kind` is what it lands as."""

    name: str
    kind: Kind
    expression: ColumnElement[Any]
    exact: bool = True
    """False if what is selected does not compare as the source compares it."""
    precision: int | None = None
    scale: int | None = None
    has_zone: bool = False


def plan_column(column: Column[Any], dialect: str) -> ColumnPlan:  # noqa: PLR0911 (a table)
    """Return how a column of a source of this dialect (`postgresql`, `mysql`, `mariadb`) lands."""
    name, kind_of = column.name, column.type
    match kind_of:
        case Boolean():
            return ColumnPlan(name, Kind.BOOL, column)
        case mysql.BIT() | mysql.YEAR():
            return ColumnPlan(name, Kind.BIGINT, cast(column, BigInteger), exact=False)
        case mysql.BIGINT(unsigned=True):
            return ColumnPlan(name, Kind.DECIMAL, column, precision=20, scale=0)
        case Integer():
            return ColumnPlan(name, Kind.BIGINT, column)
        case Float():
            single = isinstance(kind_of, REAL | mysql.FLOAT)
            value = type_coerce(column, Double(asdecimal=False))
            return ColumnPlan(name, Kind.DOUBLE, value, exact=not single)
        case Numeric():
            scale = kind_of.scale or 0 if kind_of.precision is not None else None
            return ColumnPlan(name, Kind.DECIMAL, column, precision=kind_of.precision, scale=scale)
        case DateTime():
            # TIMESTAMP of MySQL is an instant, shown in the session's zone, which we set to UTC.
            zone = kind_of.timezone or isinstance(kind_of, mysql.TIMESTAMP)
            return ColumnPlan(name, Kind.TIMESTAMP, column, has_zone=zone)
        case Date():
            return ColumnPlan(name, Kind.DATE, column)
        case _:
            return _plan_other(column, dialect)


def _plan_other(column: Column[Any], dialect: str) -> ColumnPlan:  # noqa: PLR0911 (a table)
    name, kind_of = column.name, column.type
    as_text = cast(column, Text)
    match kind_of:
        case Time(timezone=False) if dialect == "postgresql":
            return ColumnPlan(name, Kind.TIME, column)
        case JSON():
            return ColumnPlan(name, Kind.JSON, as_text, exact=False)
        case ARRAY():
            return ColumnPlan(name, Kind.JSON, cast(func.to_jsonb(column), Text), exact=False)
        case Enum() | mysql.SET() | Uuid():
            return ColumnPlan(name, Kind.TEXT, as_text, exact=False)
        case String():
            return ColumnPlan(name, Kind.TEXT, column)
        case _ if _holds_bytes(kind_of):
            return ColumnPlan(name, Kind.BINARY, column)
        case _:
            return ColumnPlan(name, Kind.TEXT, as_text, exact=False)


def _holds_bytes(kind_of: TypeEngine[Any]) -> bool:
    try:
        return kind_of.python_type is bytes
    except NotImplementedError:
        return False
