"""Values of cursors and keys on their way through the database: exact, typed text."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from math import isfinite

from shared.connectors.base import Watermark
from shared.errors import PermanentError

CursorValue = int | float | Decimal | str | date | datetime
"""What a cursor column may hold. A `datetime` is naive if its column has no time zone."""

Value = CursorValue | time | bool
"""What a watermark or a position may hold."""

_TYPES: tuple[tuple[str, type], ...] = (
    ("bool", bool),  # before int, of which it is a kind
    ("int", int),
    ("float", float),
    ("decimal", Decimal),
    ("str", str),
    ("datetime", datetime),  # before date, of which it is a kind
    ("date", date),
    ("time", time),
)
_CURSOR_PARSERS: Mapping[str, Callable[[str], CursorValue]] = {
    "int": int,
    "decimal": Decimal,
    "float": float,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "str": str,
}
CURSOR_TYPES = tuple(_CURSOR_PARSERS)
"""What the value of a watermark may be, narrow types before wide ones; any text is a `str`."""
_PARSERS: Mapping[str, Callable[[str], Value]] = {
    **_CURSOR_PARSERS,
    "time": time.fromisoformat,
    "bool": lambda text: {"True": True, "False": False}[text],
}
_ENDS_OF_TIME = (datetime.min, datetime.max)  # noqa: DTZ901 (compared without their zone)


def encode(stream: str, cursor: str, value: CursorValue) -> Watermark:
    """Return the watermark of a stream whose last cursor value is `value`."""
    return Watermark(stream=stream, cursor=cursor, value=write_value(value))


def decode(watermark: Watermark) -> CursorValue:
    """Return the cursor value of a watermark; raise `PermanentError` if it cannot be read."""
    try:
        return _CURSOR_PARSERS[watermark.value["type"]](watermark.value["value"])
    except (KeyError, ValueError, InvalidOperation) as error:
        raise PermanentError(
            f"The watermark of {watermark.stream} cannot be read: reset it to sync from the start."
        ) from error


def write_value(value: Value) -> dict[str, str]:
    """Return a value as JSON: the name of its type, and its text."""
    name = type_name(value)
    if name is None:
        raise TypeError(f"there is no text for a {type(value).__name__}")
    return {"type": name, "value": _text_of(value)}


def read_value(stored: Mapping[str, str]) -> Value:
    """Return what `write_value` wrote; raise `ValueError` if it cannot be read."""
    try:
        return _PARSERS[stored["type"]](stored["value"])
    except (KeyError, TypeError, InvalidOperation) as error:
        raise ValueError("a stored value has another form") from error


def type_name(value: object) -> str | None:
    """Return the name of a value's type, or None if it has no text."""
    return next((name for name, kind in _TYPES if isinstance(value, kind)), None)


def is_finite(value: object) -> bool:
    """Tell whether a value is itself and not a sign for none, for an infinity or for no order.

    Drivers give the first and last days that Python knows for a database's `infinity`.
    """
    if value is None:
        return False
    if isinstance(value, datetime):
        return value.replace(tzinfo=None) not in _ENDS_OF_TIME
    if isinstance(value, date):
        return value not in (date.min, date.max)
    if isinstance(value, Decimal):
        return value.is_finite()
    return isfinite(value) if isinstance(value, float) else True


def _text_of(value: Value) -> str:
    if isinstance(value, date | time):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)
