"""How a column of SQL Server lands in a dataset, and how its values are given back to it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BINARY, Column, Dialect, Double, cast, func, type_coerce
from sqlalchemy.dialects import mssql
from sqlalchemy.types import (
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Time,
    TypeDecorator,
    TypeEngine,
    UserDefinedType,
    Uuid,
)

from shared.connectors.database.plans import ColumnPlan, Kind
from shared.connectors.database.single import Single

_MICROSECONDS = 6
"""Digits of a second that Python and a dataset have."""
_FINEST = 7
"""Digits of a second that SQL Server has, unless a column says fewer."""
_SINGLE_BITS, _DOUBLE_BITS = 24, 53
_MAX: Any = "max"
"""SQLAlchemy's length of what has none."""
_UUID_LETTERS = 36
_INDEXED_BYTES = 1_700
"""No key of an index is longer, so that no column which is one has a `max`."""
_MONEY_PLACES = 4
_ROWVERSION = BINARY(8)
_NOT_COMPARED = (mssql.TEXT, mssql.NTEXT, mssql.XML)


class _Utc(TypeDecorator[datetime]):
    """An instant, whatever the offset it was written with."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 (SQLAlchemy's signature)
    ) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


class Money(UserDefinedType[Decimal]):
    """A sum of money, as SQLAlchemy's own would be if it could be compared and cast to."""

    cache_ok = True
    name = "MONEY"
    digits = 19

    def get_col_spec(self, **_options: Any) -> str:
        """Return the name of the type."""
        return self.name


class SmallMoney(Money):
    """A small sum of money."""

    cache_ok = True
    name = "SMALLMONEY"
    digits = 10


class _Written(TypeDecorator[str]):
    """A value of whatever type, as text that says all of it."""

    impl = String()
    cache_ok = True

    def process_result_value(
        self,
        value: Any,
        dialect: Dialect,  # noqa: ARG002 (as above)
    ) -> str | None:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bytes | bytearray):
            return f"0x{value.hex().upper()}"
        return str(int(value)) if isinstance(value, bool) else str(value)


def plan_sql_server(column: Column[Any]) -> ColumnPlan:  # noqa: PLR0911 (a table)
    """Return how a column lands; whatever nothing is known of lands as the text it writes itself.

    A time with seven digits of a second lands with six: it is a cursor that is compared with what
    it was cut to, which is never later, and it tells no row from its neighbours.
    """
    name, kind_of = column.name, column.type
    match kind_of:
        case Boolean():
            return _exact(column, Kind.BOOL, kind_of)
        case Integer():
            return _exact(column, Kind.BIGINT, kind_of)
        case Float():
            return _plan_float(column)
        case Numeric():
            return _exact(
                column, Kind.DECIMAL, kind_of, precision=kind_of.precision, scale=kind_of.scale or 0
            )
        case Money(digits=digits):
            return _exact(column, Kind.DECIMAL, kind_of, precision=digits, scale=_MONEY_PLACES)
        case DateTime() | Time():
            return _plan_time(column)
        case Date():
            return _exact(column, Kind.DATE, kind_of)
        case mssql.TIMESTAMP():
            # No time at all: a number that the server raises with each change, eight bytes of it.
            as_number = cast(column, mssql.BIGINT())
            return ColumnPlan(
                name,
                Kind.BIGINT,
                as_number,
                finds_row=True,
                compared_as=_ROWVERSION,
                open_from=cast(func.min_active_rowversion(), mssql.BIGINT()),
                moves=True,
            )
        case _:
            return _plan_other(column)


def _exact(
    column: Column[Any], kind: Kind, compared_as: TypeEngine[Any], **more: Any
) -> ColumnPlan:
    return ColumnPlan(column.name, kind, column, finds_row=True, compared_as=compared_as, **more)


def _plan_float(column: Column[Any]) -> ColumnPlan:
    bits: int = getattr(column.type, "precision", None) or _DOUBLE_BITS
    if isinstance(column.type, mssql.REAL) or bits <= _SINGLE_BITS:
        return ColumnPlan(column.name, Kind.DOUBLE, type_coerce(column, Single()), exact=False)
    as_double = type_coerce(column, Double(asdecimal=False))
    return ColumnPlan(column.name, Kind.DOUBLE, as_double, compared_as=mssql.DOUBLE_PRECISION())


def _plan_time(column: Column[Any]) -> ColumnPlan:
    name, kind_of = column.name, column.type
    has_digits = isinstance(kind_of, mssql.DATETIME2 | mssql.DATETIMEOFFSET | mssql.TIME)
    precision = getattr(kind_of, "precision", None)
    digits = _FINEST if precision is None else precision
    is_cut = has_digits and digits > _MICROSECONDS
    has_zone = isinstance(kind_of, mssql.DATETIMEOFFSET)
    return ColumnPlan(
        name,
        Kind.TIME if isinstance(kind_of, Time) else Kind.TIMESTAMP,
        type_coerce(column, _Utc()) if has_zone else column,
        finds_row=not is_cut,
        has_zone=has_zone,
        compared_as=kind_of,
        is_cut=is_cut,
    )


def _plan_other(column: Column[Any]) -> ColumnPlan:
    name, kind_of = column.name, column.type
    match kind_of:
        case Uuid():
            return ColumnPlan(
                name,
                Kind.TEXT,
                cast(column, mssql.NVARCHAR(_UUID_LETTERS)),
                exact=False,
                finds_row=True,
                longest=_UUID_LETTERS,
                compared_as=mssql.UNIQUEIDENTIFIER(),
            )
        case mssql.SQL_VARIANT():
            return ColumnPlan(name, Kind.TEXT, type_coerce(column, _Written()), exact=False)
        case String(length=length) if not isinstance(kind_of, _NOT_COMPARED):
            # The column's own collation stays: only how it is stored is said.
            plain = type(kind_of)(length=length or _MAX)
            is_short = length is not None and length <= _INDEXED_BYTES
            return ColumnPlan(
                name, Kind.TEXT, column, finds_row=is_short, longest=length, compared_as=plain
            )
        case LargeBinary() | BINARY():
            return ColumnPlan(name, Kind.BINARY, column, longest=getattr(kind_of, "length", None))
        case _:
            return _as_text(column)


def _as_text(column: Column[Any]) -> ColumnPlan:
    return ColumnPlan(
        column.name,
        Kind.TEXT,
        cast(column, mssql.NVARCHAR(_MAX)),
        exact=False,
    )
