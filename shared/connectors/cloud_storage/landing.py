"""How the columns of files land in a dataset: each value exactly, whatever the next file holds.

Columns have types of their own in Parquet, values have in JSON, and texts of CSV have none but what
the stream gives them. Where files disagree a column lands as what holds all of it: as `numeric` if
there are numbers only, and else as text, each value as JSON writes it. dlt has to be told of all
columns before the first record, so that a slice ends where a record has another.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from typing import Any

import simplejson

from shared.domain.fault import Fault
from shared.errors import PermanentError

MOST_COLUMNS = 1_500


class Kind(StrEnum):
    """What a column of a dataset holds, as PostgreSQL names it, or nearly."""

    TEXT = "text"
    BIGINT = "bigint"
    NUMERIC = "numeric"
    DOUBLE = "double"
    BOOL = "bool"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    """An instant."""
    DATETIME = "datetime"
    """Date and time of day without a zone."""
    JSON = "jsonb"
    BINARY = "bytea"


_AS_THEY_ARE = frozenset(
    {Kind.BIGINT, Kind.BOOL, Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.DATETIME}
)


class Landing:
    """The columns of one stream in one slice, and the values of its records as they land.

    `kinds` are those that earlier slices knew. They are settled by the first page; `wanted` says
    then what a page asks for that does not fit.
    """

    def __init__(self, stream: str, kinds: Mapping[str, Kind]) -> None:
        self.wanted = dict(kinds)
        self._stream = stream
        self._settled: Mapping[str, Kind] | None = None

    @property
    def is_settled(self) -> bool:
        """Tell whether the columns are those of a page already."""
        return self._settled is not None

    def takes(self, kinds: Mapping[str, Kind]) -> bool:
        """Tell whether a page with these columns can land in this slice.

        Raises `PermanentError` if they are more than a table has.
        """
        joined = {**self.wanted}
        for name, kind in kinds.items():
            known = joined.get(name, kind)
            joined[name] = kind if known is kind else _wider(known, kind)
        if len(joined) > MOST_COLUMNS:
            raise PermanentError(
                f"The files of {self._stream} have more than {MOST_COLUMNS:,} columns, and a table"
                " of the dataset has no room for them: select some with columns.",
                fault=Fault.SCHEMA,
            )
        self.wanted = joined
        if self._settled is None:
            self._settled = joined
        return joined == self._settled

    def land(self, records: Sequence[Any], kinds: Mapping[str, Kind]) -> None:
        """Make the values of a page's records what lands; those that are no objects are left."""
        for name, kind in kinds.items():
            settled = self.wanted[name]
            if kind is settled and kind in _AS_THEY_ARE:
                continue
            for record in records:
                value = record.get(name) if type(record) is dict else None
                if value is not None and not (settled is Kind.TEXT and type(value) is str):
                    record[name] = _landed(value, settled)


def _wider(one: Kind, other: Kind) -> Kind:
    return Kind.NUMERIC if {one, other} == {Kind.BIGINT, Kind.NUMERIC} else Kind.TEXT


def _landed(value: Any, kind: Kind) -> Any:
    match kind:
        case Kind.NUMERIC:
            return str(value)  # dlt would round a Decimal of more than 38 digits
        case Kind.DOUBLE:
            # dlt's files hold a float NaN as null, and a Decimal one as NaN.
            return value if isfinite(value) else Decimal(value)
        case Kind.BINARY:
            return f"\\x{value.hex()}"
        case Kind.JSON:
            return _json_text(value)
        case Kind.TEXT:
            return value if isinstance(value, str) else written(value)
        case _:
            return value


def _json_text(value: Any) -> Any:
    text = written(value)
    # What PostgreSQL refuses within JSON is told by who rejects records, of the value itself.
    return value if "\\u0000" in text or not _is_unicode(text) else text


def written(value: Any) -> str:
    """Return a value as text: as JSON writes it, or as ISO 8601 has it."""
    match value:
        case date() | time() | datetime():
            return value.isoformat()
        case bytes():
            return f"\\x{value.hex()}"
        case timedelta():
            return str(value)
        case float() if not isfinite(value):
            return str(value)
        case _:
            return simplejson.dumps(value, use_decimal=True, ensure_ascii=False, default=written)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_kinds(stored: Mapping[str, str]) -> dict[str, Kind]:
    """Return the kinds of a position; raise `ValueError` if there is another among them."""
    return {name: Kind(kind) for name, kind in stored.items()}


def write_kinds(kinds: Mapping[str, Kind]) -> dict[str, str]:
    """Return kinds for a position."""
    return {name: kind.value for name, kind in kinds.items()}
