"""What the plan of a column says: what is selected, and as which type it lands in the dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.types import TypeEngine


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
    compared_as: TypeEngine[Any] | None = None
    """What a value is made by the source before it is compared with the column; None if nothing."""
    is_cut: bool = False
    """True if the source has more digits of its times than are read."""
    open_from: ColumnElement[Any] | None = None
    """What asks the source for the least value of a row that no one else sees yet, since it is in a
    transaction that goes on; None if there is no asking."""
    moves: bool = False
    """True if the source itself raises its values with every change of a row."""

    def holds(self, type_name: str | None) -> bool:
        """Tell whether a value of this type can be one of the column's; see `write_value`."""
        return type_name is not None and self.kind in _HELD_BY.get(type_name, frozenset())
