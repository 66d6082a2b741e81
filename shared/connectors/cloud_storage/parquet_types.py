"""How the types of Parquet columns land in a dataset, and what PostgreSQL has no room for."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from shared.connectors.cloud_storage.landing import Kind, written

_TIME_UNIT = "us"
_KINDS: Sequence[tuple[Callable[[pa.DataType], bool], Kind]] = (
    (types.is_boolean, Kind.BOOL),
    (types.is_uint64, Kind.NUMERIC),
    (types.is_integer, Kind.BIGINT),
    (types.is_floating, Kind.DOUBLE),
    (types.is_decimal, Kind.NUMERIC),
    (types.is_date, Kind.DATE),
    (types.is_time, Kind.TIME),
    (types.is_nested, Kind.JSON),
    (types.is_binary, Kind.BINARY),
    (types.is_large_binary, Kind.BINARY),
    (types.is_fixed_size_binary, Kind.BINARY),
    (types.is_binary_view, Kind.BINARY),
)


def kind_of(column: pa.DataType) -> Kind:
    """Return what a column of a type lands as; `text` for one that nothing else holds."""
    if isinstance(column, pa.BaseExtensionType):
        column = column.storage_type
    if types.is_dictionary(column):
        column = column.value_type
    if types.is_timestamp(column):
        return Kind.DATETIME if column.tz is None else Kind.TIMESTAMP
    return next((kind for fits, kind in _KINDS if fits(column)), Kind.TEXT)


def values_of(column: Any) -> list[Any]:
    """Return the values of a column as Python's; raise `ValueError` if one of them is too fine.

    Nanoseconds have no place in a dataset. Where none are used, as in most files, nothing is lost.
    """
    kind = column.type
    if types.is_timestamp(kind) and kind.unit == "ns":
        column = pc.cast(column, pa.timestamp(_TIME_UNIT, kind.tz))
    elif types.is_time64(kind) and kind.unit == "ns":
        column = pc.cast(column, pa.time64(_TIME_UNIT))
    elif types.is_duration(kind) or types.is_interval(kind):
        return [None if value is None else str(value) for value in column.to_pylist()]
    return column.to_pylist()


def plain(value: Any) -> Any:
    """Return a nested value with nothing in it that JSON has no form for."""
    match value:
        case dict():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case float() if not isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str() | Decimal():
            return value
        case _:
            return written(value)
