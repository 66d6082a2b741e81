"""Values of a cursor field: read from records, compared, and sent as parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from shared.connectors.base import Watermark
from shared.connectors.json_http.cursor_config import CursorConfig, CursorFormat
from shared.connectors.watermarks import CursorValue, decode
from shared.domain.fault import Fault
from shared.errors import PermanentError


def field_of(record: Mapping[str, Any], name: str) -> Any:
    """Return a field of a record, None if it has none; dots lead into objects."""
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


_SKEW = timedelta(minutes=5)
"""By so much the clock of a source may be behind ours."""
_WESTERNMOST = timedelta(hours=12)
"""By so much a time without a zone may be behind UTC."""


@dataclass(frozen=True, slots=True)
class Window:
    """From where on, and up to where, a stream is read: parameters as they are sent.

    `began` is the instant at which the first slice began to read, as ISO 8601 writes it.
    """

    start: str | None = None
    end: str | None = None
    began: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The cursor of one stream."""

    stream: str
    config: CursorConfig
    behind_utc: timedelta = _WESTERNMOST
    """By how much times without a zone may be behind UTC."""

    def value_of(self, record: Mapping[str, Any]) -> CursorValue | None:
        """Return the cursor value of a record, None if it has none.

        Raises `PermanentError` if it is not of the configured format.
        """
        value = field_of(record, self.config.field)
        return None if value is None or value == "" else self._read(value)

    def newest_of(self, watermark: Watermark | None) -> CursorValue | None:
        """Return the newest value that was synced before.

        Another field's watermark says nothing about this one. Raises `PermanentError` if it does
        not fit the format.
        """
        if watermark is None or watermark.cursor != self.config.field:
            return None
        value = decode(watermark)
        if isinstance(value, datetime) and self.config.format is CursorFormat.ISO8601:
            return value
        if isinstance(value, date) and self.config.format is CursorFormat.ISO8601:
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        try:
            return self._read(value.isoformat() if isinstance(value, date) else value)
        except PermanentError:
            raise PermanentError(
                f"The watermark of {self.stream} is no value of its cursor's format: reset it to"
                " sync from the start.",
                fault=Fault.SETTINGS,
            ) from None

    def window(self, newest: CursorValue | None, now: datetime) -> Window:
        """Return what to ask for: what came since `newest`, and until `now` if that is asked."""
        start = self.config.initial if newest is None else self._sent(self._earlier(newest))
        end = self._end(now) if self.config.end_parameter else None
        return Window(start, end, now.isoformat())

    def settled(self, newest: CursorValue, window: Window) -> CursorValue:
        """Return the newest value that was read as a watermark may take it.

        Not newer than the instant at which the reading began: a record that was read, and changed
        while others were, may hide behind a newer one. Only times can be told so.
        """
        if window.began is None:
            return newest
        began = datetime.fromisoformat(window.began)
        began = (began if began.tzinfo else began.replace(tzinfo=UTC)) - _SKEW
        local = began.astimezone(UTC).replace(tzinfo=None) - self.behind_utc
        match newest:
            case datetime():
                return min(newest, began if newest.tzinfo else local)
            case date():
                return min(newest, local.date())
            case int() | Decimal() if self.config.format.is_time:
                factor = 1_000 if self.config.format is CursorFormat.UNIX_MS else 1
                return min(newest, int(began.timestamp() * factor))
            case _:
                return newest

    def parameters(self, window: Window) -> dict[str, str]:
        """Return a window as parameters."""
        named = {self.config.parameter: window.start, self.config.end_parameter: window.end}
        return {name: text for name, text in named.items() if name and text is not None}

    def _end(self, now: datetime) -> str:
        match self.config.format:
            case CursorFormat.UNIX_SECONDS:
                return str(int(now.timestamp()))
            case CursorFormat.UNIX_MS:
                return str(int(now.timestamp() * 1_000))
            case CursorFormat.DATE:
                return now.date().isoformat()
            case _:
                return self._sent(now)

    def _earlier(self, value: CursorValue) -> CursorValue:
        look_back = timedelta(seconds=self.config.look_back_seconds)
        try:
            if isinstance(value, date):
                # Of a day, a part is the whole.
                return value - look_back if isinstance(value, datetime) else _days(value, look_back)
            if isinstance(value, int | Decimal) and self.config.format.is_time:
                factor = 1_000 if self.config.format is CursorFormat.UNIX_MS else 1
                return value - self.config.look_back_seconds * factor
        except OverflowError:
            return value
        return value

    def _sent(self, value: CursorValue) -> str:
        match value:
            case datetime() if value.tzinfo is not None:
                return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
            case date():
                return value.isoformat()
            case Decimal() if self.config.format.is_time:
                return str(int(value))
            case _:
                return str(value)

    def _read(self, value: object) -> CursorValue:
        try:
            return _READERS[self.config.format](value)
        except (TypeError, ValueError, InvalidOperation):
            raise PermanentError(
                f"A record of {self.stream} has no {self.config.format} in {self.config.field}:"
                " choose the cursor's field and format as the API writes them.",
                fault=Fault.SCHEMA,
            ) from None


def _days(value: date, look_back: timedelta) -> date:
    return value - timedelta(days=-(-look_back // timedelta(days=1)))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _iso8601(value: object) -> datetime:
    """Return an instant, or a time without a zone as it is."""
    return datetime.fromisoformat(_text(value))


def _date(value: object) -> date:
    text = _text(value)
    return datetime.fromisoformat(text).date() if "T" in text else date.fromisoformat(text)


def _number(value: object) -> int | Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise TypeError("no number")
    number = Decimal(str(value))
    if not number.is_finite() or abs(number.adjusted()) > 30:  # noqa: PLR2004 (no time is that far)
        raise ValueError("no time")
    return int(number) if number == number.to_integral_value() else number


def _plain(value: object) -> int | Decimal | str:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise TypeError("neither number nor text")
    return Decimal(repr(value)) if isinstance(value, float) else value


_READERS = {
    CursorFormat.ISO8601: _iso8601,
    CursorFormat.DATE: _date,
    CursorFormat.UNIX_SECONDS: _number,
    CursorFormat.UNIX_MS: _number,
    CursorFormat.AS_IS: _plain,
}
