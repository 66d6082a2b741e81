"""Which type a field of an API's records lands as, so that each value lands exactly.

JSON says of a value only that it is a text, a number, true or false, or nested. A field whose
values are whole numbers lands as `bigint`; with a point, an exponent or too many digits among them
as `numeric`, which holds all of them to the last digit. Objects and lists land as `jsonb`. A field
whose values are of several kinds lands as `text`, each as JSON writes it, and so does a text,
whatever it looks like: a time keeps the zone and the digits that its source wrote, and an id its
zeros in front.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns

from shared.connectors.dataset.destination import COLUMN_TYPE
from shared.connectors.json_http.answers import Record, is_object, write_json
from shared.connectors.rejects_screen import column_name

_BIGINT = range(-(2**63), 2**63)
_MOST_BEFORE, _MOST_BEHIND = 131_072, 16_383
"""How many digits a numeric of PostgreSQL has before and behind the point."""


class Kind(StrEnum):
    """What the values of a field are."""

    WHOLE = "whole"
    DECIMAL = "decimal"
    BOOL = "bool"
    TEXT = "text"
    JSON = "json"


_LANDS_AS: Mapping[Kind, Mapping[str, str]] = {
    Kind.WHOLE: {"data_type": "bigint"},
    Kind.BOOL: {"data_type": "bool"},
    Kind.TEXT: {"data_type": "text"},
    # As text all the way: dlt has no type for so many digits, and would round nested numbers.
    Kind.DECIMAL: {"data_type": "text", COLUMN_TYPE: "numeric"},
    Kind.JSON: {"data_type": "text", COLUMN_TYPE: "jsonb"},
}
_NOT_FOR_JSONB = re.compile("\\\\u0000|[\ud800-\udfff]")


class Kinds:
    """The kinds of the fields of one stream, as far as its records are read.

    Fields whose names differ by what a dataset's do not, such as capitals, are one.
    """

    def __init__(self, primary_key: Sequence[str], newest_by: str | None) -> None:
        self._primary_key = set(map(column_name, primary_key))
        self._newest_by = newest_by
        self._kinds: dict[str, Kind] = {}
        self._columns: dict[str, str] = {}

    def learn(self, records: Sequence[Record]) -> None:
        """Take the values of records into account."""
        for record in records:
            if not is_object(record):
                continue  # it is rejected later on
            for name, value in record.items():
                if value is not None:
                    self._learn(name, _kind_of(value))

    def _learn(self, name: str, kind: Kind) -> None:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = column_name(name)
        known = self._kinds.setdefault(column, kind)
        if known is not kind:
            is_number = {known, kind} == {Kind.WHOLE, Kind.DECIMAL}
            self._kinds[column] = Kind.DECIMAL if is_number else Kind.TEXT

    def columns(self) -> TTableSchemaColumns:
        """Return dlt's hints for every field that had a value."""
        return {name: self._hint(name, column) for name, column in self._columns.items()}

    def landed(self, records: Sequence[Record]) -> list[Record]:
        """Return records with their values as they land, once all of them were learnt."""
        return [
            {name: self._landed(name, value) for name, value in record.items()}
            if is_object(record)
            else record
            for record in records
        ]

    def _landed(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        match self._kinds[self._columns[name]]:
            case Kind.DECIMAL:
                return str(value)
            case Kind.TEXT:
                return value if isinstance(value, str) else write_json(value)
            case Kind.JSON:
                text = write_json(value)
                # What PostgreSQL refuses within JSON is told by who rejects records.
                return value if _NOT_FOR_JSONB.search(text) else text
            case _:
                return value

    def _hint(self, name: str, column: str) -> TColumnSchema:
        hint: dict[str, object] = {"name": name, **_LANDS_AS[self._kinds[column]]}
        hint["nullable"] = column not in self._primary_key
        if name == self._newest_by:
            hint["dedup_sort"] = "desc"
        return cast("TColumnSchema", hint)


def _kind_of(value: Any) -> Kind:
    match value:
        case bool():
            return Kind.BOOL
        case int():
            return Kind.WHOLE if value in _BIGINT else Kind.DECIMAL
        case Decimal():
            return Kind.DECIMAL if _is_numeric(value) else Kind.TEXT
        case str():
            return Kind.TEXT
        case _:
            return Kind.JSON


def _is_numeric(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return (
        isinstance(exponent, int) and exponent >= -_MOST_BEHIND and value.adjusted() < _MOST_BEFORE
    )
