"""Which type a property lands as, and its values on their way, exact as the service wrote them."""

from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any

from shared.connectors.json_http.answers import write_json


class Kind(StrEnum):
    """The types that a dataset knows, by the names that people know them by."""

    TEXT = "text"
    WHOLE = "bigint"
    DECIMAL = "numeric"
    DOUBLE = "double"
    BOOL = "boolean"
    DATE = "date"
    TIME = "time"
    INSTANT = "timestamp"
    BINARY = "binary"
    JSON = "json"


_BIGINT = range(-(2**63), 2**63)
_MOST_OF_WHOLE = 19
_MOST_BEFORE, _MOST_BEHIND = 131_072, 16_383
"""How many digits a numeric of PostgreSQL has before and behind the point."""

_KINDS: Mapping[str, Kind] = {
    "Edm.Boolean": Kind.BOOL,
    **dict.fromkeys(("Edm.Byte", "Edm.SByte", "Edm.Int16", "Edm.Int32", "Edm.Int64"), Kind.WHOLE),
    "Edm.Decimal": Kind.DECIMAL,
    **dict.fromkeys(("Edm.Single", "Edm.Double"), Kind.DOUBLE),
    "Edm.Date": Kind.DATE,
    "Edm.TimeOfDay": Kind.TIME,
    "Edm.DateTimeOffset": Kind.INSTANT,
    "Edm.Binary": Kind.BINARY,
}
NOT_IN_RECORDS = "Edm.Stream"
"""The type of a property that has an address of its own, and no value in a record."""
CURSOR_KINDS = frozenset({Kind.INSTANT, Kind.DATE, Kind.WHOLE})
"""What may be a cursor: it is compared in filters, and grows."""


def kind_of(type_name: str) -> Kind:
    """Return what a type lands as: one that is not known as text, a nested one as JSON."""
    if type_name.startswith("Edm.") and not type_name.startswith("Edm.Geo"):
        return _KINDS.get(type_name, Kind.TEXT)
    return Kind.JSON


def landed(kind: Kind, value: Any) -> Any:
    """Return a value that is not null as it lands; raise `ValueError` if it is none of its type."""
    try:
        return _LANDED[kind](value)
    except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
        raise ValueError("a value of another type") from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else write_json(value)


def _whole(value: Any) -> int:
    """Return an integer, which a service may write as text since JavaScript would round it."""
    number = _number(value)
    if number.adjusted() > _MOST_OF_WHOLE or int(number) != number or int(number) not in _BIGINT:
        raise ValueError("no integer of 64 bits")
    return int(number)


def _decimal(value: Any) -> str:
    number = _number(value)
    exponent = number.as_tuple().exponent
    is_short = isinstance(exponent, int) and exponent >= -_MOST_BEHIND
    if number.adjusted() >= _MOST_BEFORE or not is_short:
        raise ValueError("no number that a column holds")
    return str(number)


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise TypeError("no number")
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError("no finite number")
    return number


def _double(value: Any) -> float | Decimal:
    if isinstance(value, bool):
        raise TypeError("no number")
    if isinstance(value, str) and value.lstrip("-") in ("INF", "NaN"):
        return Decimal(value)  # dlt's files hold such a float as null
    return float(value)


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("no boolean")
    return value


def _instant(value: Any) -> datetime:
    """Return an instant; ticks of a ten-millionth of a second are cut to microseconds."""
    found = datetime.fromisoformat(value)
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def _binary(value: Any) -> str:
    """Return bytes as PostgreSQL writes them, of Base64 with - and _, or + and /."""
    plain = value.replace("+", "-").replace("/", "_").rstrip("=")
    if not plain.isascii():
        raise ValueError("no Base64")
    return f"\\x{urlsafe_b64decode(plain + '=' * (-len(plain) % 4)).hex()}"


_LANDED: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _text,
    Kind.WHOLE: _whole,
    Kind.DECIMAL: _decimal,
    Kind.DOUBLE: _double,
    Kind.BOOL: _bool,
    Kind.DATE: date.fromisoformat,
    Kind.TIME: time.fromisoformat,
    Kind.INSTANT: _instant,
    Kind.BINARY: _binary,
    Kind.JSON: write_json,
}
