"""How a column of a source lands in a dataset: what is selected, and as which type.

Every value lands exactly. A type that a dataset does not know is selected as text, as the source
itself writes it.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
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
    TypeEngine,
    Uuid,
)

from shared.connectors.database.plans import ColumnPlan, Kind
from shared.connectors.database.single import Single
from shared.connectors.database.sqlite_types import Stored, plan_stored
from shared.connectors.database.sqlserver_types import plan_sql_server

CURSOR_KINDS = frozenset(
    {Kind.BIGINT, Kind.DATE, Kind.DECIMAL, Kind.DOUBLE, Kind.TEXT, Kind.TIMESTAMP}
)

_SORTED_CHARACTERS = 255
"""MySQL and MariaDB sort text by its first 1,024 bytes only (`max_sort_length`)."""

_WRITTEN_LETTERS = 36
"""A UUID takes so many as text, and no time of day takes more."""


def plan_column(column: Column[Any], dialect: str) -> ColumnPlan:
    """Return how a column of a source lands; `dialect` is SQLAlchemy's name for its kind."""
    if dialect == "mssql":
        return plan_sql_server(column)
    return _plan_known(column, dialect)


def _plan_known(column: Column[Any], dialect: str) -> ColumnPlan:  # noqa: PLR0911 (a table)
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
        return type_coerce(column + literal_column("0e0"), Single())
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
        case _:
            return _plan_unknown(column)


def _plan_unknown(column: Column[Any]) -> ColumnPlan:
    if isinstance(column.type, Stored):
        return plan_stored(column, column.type)
    if _holds_bytes(column.type):
        longest = getattr(column.type, "length", None)
        return ColumnPlan(column.name, Kind.BINARY, column, longest=longest)
    return ColumnPlan(column.name, Kind.TEXT, cast(column, Text), exact=False)


def _holds_bytes(kind_of: TypeEngine[Any]) -> bool:
    try:
        return kind_of.python_type is bytes
    except NotImplementedError:
        return False
