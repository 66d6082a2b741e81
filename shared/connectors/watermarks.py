"""Cursor values on their way through the database: exact, typed text."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from shared.connectors.base import Watermark
from shared.errors import PermanentError

CursorValue = int | float | Decimal | str | date | datetime
"""What a cursor column may hold. A `datetime` is naive if its column has no time zone."""

_TYPES: tuple[tuple[str, type], ...] = (
    ("int", int),
    ("float", float),
    ("decimal", Decimal),
    ("str", str),
    ("datetime", datetime),  # before date, of which it is a kind
    ("date", date),
)
_PARSERS: Mapping[str, Callable[[str], CursorValue]] = {
    "int": int,
    "float": float,
    "decimal": Decimal,
    "str": str,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
}


def encode(stream: str, cursor: str, value: CursorValue) -> Watermark:
    """Return the watermark of a stream whose greatest cursor value is `value`."""
    name = next(name for name, kind in _TYPES if isinstance(value, kind))
    text = value.isoformat() if isinstance(value, date) else _text_of(value)
    return Watermark(stream=stream, cursor=cursor, value={"type": name, "value": text})


def decode(watermark: Watermark) -> CursorValue:
    """Return the cursor value of a watermark; raise `PermanentError` if it cannot be read."""
    try:
        return _PARSERS[watermark.value["type"]](watermark.value["value"])
    except (KeyError, ValueError, InvalidOperation) as error:
        raise PermanentError(
            f"The watermark of {watermark.stream} cannot be read: reset it to sync from the start."
        ) from error


def _text_of(value: float | Decimal | str) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def is_behind(newer: Watermark, older: Watermark) -> bool:
    """Tell whether a watermark lies before another of its stream, as far as values have an order.

    Of texts only the database that holds them knows the order, so that none is behind another.
    """
    if newer.cursor != older.cursor or newer.value.get("type") != older.value.get("type"):
        return False
    before, after = decode(older), decode(newer)
    if isinstance(before, str):
        return False
    try:
        return after < before  # pyright: ignore[reportOperatorIssue] (of one type)
    except TypeError:  # a time with a zone and one without
        return False
