"""How many credits are left, as far as a source says, and how long until there are more."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from shared.clock import monotonic
from shared.connectors.failure_kinds import told
from shared.connectors.xledger.config import CreditsConfig
from shared.connectors.xledger.failures import CREDITS
from shared.domain.retry_after import LONGEST_RETRY_AFTER, parse_http_date
from shared.egress.lines import Lines

USUAL_WAIT = timedelta(minutes=20)
"""What Xledger's own samples wait for new credits if nothing says when they come."""
LONGEST_PAUSE = timedelta(seconds=30)
"""The longest wait within a sync; a longer one is the run's, as with Retry-After."""

_MOST_DIGITS = 19
_EARLIEST_UNIX = 1_000_000_000
"""A number below is one of seconds to wait, above it is an instant: this one is of 2001."""


class Budget:
    """Keeps a sync from spending the last credits, by what the answers report."""

    def __init__(self, config: CreditsConfig | None, lines: Lines) -> None:
        self._config = config
        self._lines = lines
        self._remaining: Decimal | None = None
        self._cost = Decimal(0)
        self._new_at: float | None = None

    def report(self, body: Any, headers: Mapping[str, str], now: datetime) -> None:
        """Take note of what an answer says, if it says anything."""
        if self._config is None:
            return
        left = _number(_at(self._config.remaining, body, headers))
        if left is None:
            return
        if self._remaining is not None and self._remaining > left:
            self._cost = self._remaining - left
        self._remaining = left
        wait = None
        if self._config.reset_at is not None:
            wait = wait_until(_at(self._config.reset_at, body, headers), headers, now)
        self._new_at = None if wait is None else monotonic() + wait.total_seconds()

    def wait_for_room(self) -> None:
        """Wait until a request like the last one can be paid.

        Raises `TransientError` with the wait if it is longer than a sync should sit out.
        """
        if self._config is None or self._remaining is None:
            return
        if self._remaining - self._cost >= self._config.reserve and self._remaining > 0:
            return
        wait = USUAL_WAIT
        if self._new_at is not None:
            wait = timedelta(seconds=max(self._new_at - monotonic(), 0.0))
        if wait > LONGEST_PAUSE:
            raise told("Xledger", CREDITS, "by what it reports", wait)
        self._lines.pause(wait.total_seconds())


def wait_until(value: Any, headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return how long it takes until a time that an answer names, a day at most.

    None for what is no time, and for one without a zone, since nobody knows whose it is. The time
    is the server's, and so is the clock to read it by, if it says what it shows.
    """
    sent_at = parse_http_date(headers.get("date", ""), now) or now
    seconds = _number(value)
    if seconds is not None and seconds < _EARLIEST_UNIX:
        wait = timedelta(seconds=float(max(seconds, Decimal(0))))
        return min(wait, LONGEST_RETRY_AFTER)
    try:
        if seconds is None:
            at = datetime.fromisoformat(value) if isinstance(value, str) else None
        else:
            at = datetime.fromtimestamp(float(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    if at is None or at.tzinfo is None:
        return None
    return min(max(at - sent_at, timedelta(0)), LONGEST_RETRY_AFTER)


def _at(place: str, body: Any, headers: Mapping[str, str]) -> Any:
    first, *rest = place.split(".")
    if first == "headers":
        return headers.get(rest[0])
    value = body
    for part in (first, *rest):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < _MOST_DIGITS else None
