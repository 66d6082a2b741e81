"""Floating numbers that JSON has no sign for, on their way through dlt's files."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any

from dlt.common.schema.typing import TTableSchemaColumns
from dlt.extract import make_hints, with_hints

from shared.connectors.streams import Record

Hints = Callable[[TTableSchemaColumns], TTableSchemaColumns]
"""Returns the hints of columns with which dlt's files for a dataset keep every value."""


def with_all_floats(
    pages: Iterable[list[Record]], columns: TTableSchemaColumns, hints: Hints
) -> Iterator[Any]:
    """Yield pages of a stream without types, in which dlt's files would hold an infinity as null.

    It and NaN become text. A column that has one is marked as one of floating numbers if its first
    value is one: of any other dlt finds the type as ever, and the text lands beside it. `columns`
    are the hints that there are; within a list or an object JSON has no such number.
    """
    of_floats: dict[str, bool] = {}
    marked = set(columns)
    for page in pages:
        _learn(page, of_floats)
        odd = {name for record in page for name, value in record.items() if _is_odd(value)}
        if not odd:
            yield page
            continue
        written = [_written(record, odd) for record in page]
        new = {name for name in odd - marked if of_floats[name]}
        marked |= new
        doubles: TTableSchemaColumns = {
            name: {"name": name, "data_type": "double"} for name in sorted(new)
        }
        yield with_hints(written, make_hints(columns=hints(doubles))) if new else written


def _learn(page: Sequence[Record], of_floats: dict[str, bool]) -> None:
    """Take note of the columns that have their first value in this page."""
    for name in set[str]().union(*page) - of_floats.keys():
        first = next((record[name] for record in page if record.get(name) is not None), None)
        if first is not None:
            of_floats[name] = isinstance(first, float)


def _written(record: Mapping[str, Any], odd: set[str]) -> Record:
    return {
        name: str(Decimal(value)) if name in odd and _is_odd(value) else value
        for name, value in record.items()
    }


def _is_odd(value: object) -> bool:
    return isinstance(value, float) and not isfinite(value)
