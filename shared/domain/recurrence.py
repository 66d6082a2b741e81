"""When a schedule is due: the timing part of a schedule as a value."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Self

from shared.domain.cron import canonical_cron, compile_cron
from shared.domain.description import describe_cron
from shared.domain.local_time import load_zone
from shared.domain.occurrences import next_occurrence, previous_occurrence
from shared.domain.presets import preset_to_cron
from shared.domain.preview import PreviewInstant, preview_instants
from shared.domain.recurrence_code import RecurrenceCode
from shared.errors import RecurrenceError

MAX_PREVIEW = 100
"""The most instants that one preview shows."""

_REMEMBERED = 16_384
_INSTANTS_LOOKED_AT = 1_000
_NO_OFFSET = timedelta(0)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Cron fields on the wall clock of a zone; made by `from_cron` or `from_preset`.

    A legal expression has a date in any ten years; so None comes only at the calendar's ends, or
    where clock changes skip every time of ten years, as `* 2 * 3 sun#5` in Europe/Oslo.
    """

    cron: str
    """Five lower-case fields."""
    timezone: str
    """IANA name."""

    @classmethod
    def from_cron(cls, expression: str, timezone: str) -> Self:
        """Return the recurrence of a cron expression; raise `RecurrenceError` if it is illegal."""
        load_zone(timezone)
        return cls(cron=canonical_cron(expression), timezone=timezone)

    @classmethod
    def from_preset(
        cls,
        *,
        frequency: str,
        timezone: str,
        preferred_time: str | None = None,
        preferred_day_of_week: str | None = None,
        preferred_day_of_month: int | None = None,
    ) -> Self:
        """Return the recurrence of a preset; raise `RecurrenceError` for what does not fit it.

        `frequency` is hourly, daily, weekly or monthly; the time is HH:MM, of which hourly uses
        the minute only and may do without; weekly needs a day monday to sunday, monthly a day
        1 to 28.
        """
        expression = preset_to_cron(
            frequency=frequency,
            preferred_time=preferred_time,
            preferred_day_of_week=preferred_day_of_week,
            preferred_day_of_month=preferred_day_of_month,
        )
        return cls.from_cron(expression, timezone)

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first instant after an aware one, in UTC; raise `ValueError` if naive."""
        return _next_after(self, _utc(instant).replace(microsecond=0))

    def previous_before(self, instant: datetime) -> datetime | None:
        """Return the last instant before an aware one, in UTC; raise `ValueError` if naive."""
        return previous_occurrence(compile_cron(self.cron), load_zone(self.timezone), _utc(instant))

    def between(self, start: datetime, end: datetime, limit: int) -> list[datetime]:
        """Return the first `limit` instants, ascending, after `start` and up to `end` inclusive."""
        last = _utc(end)
        instant = _utc(start).replace(microsecond=0)
        found: list[datetime] = []
        while len(found) < limit:
            following = _next_after(self, instant)
            if following is None or following > last:
                break
            found.append(following)
            instant = following
        return found

    def describe(self) -> str:
        """Return the recurrence in words: "At 02:00, Monday through Friday (Europe/Oslo)"."""
        return f"{describe_cron(self.cron)} ({self.timezone})"

    def preview(
        self, now: datetime, count: int, *, offset: timedelta = _NO_OFFSET
    ) -> list[PreviewInstant]:
        """Return the next `count` instants after `now`, starting `offset` (the spread) later.

        Raises `ValueError` unless `count` is 1 to 100 and `now` is aware.
        """
        if not 1 <= count <= MAX_PREVIEW:
            raise ValueError(f"A preview shows 1 to {MAX_PREVIEW} instants, not {count}.")
        periods = self.between(now, _END_OF_TIME, count)
        previous = self.previous_before(periods[0]) if periods else None
        zone = load_zone(self.timezone)
        return preview_instants(compile_cron(self.cron), zone, periods, offset, previous)


def shortest_interval(recurrence: Recurrence, now: datetime) -> timedelta:
    """Return the shortest time between two of the next 1,000 runs.

    It is measured on the clock's face, so that the answer does not hang on the season: where
    clocks change, one interval a year may be shorter by the change.
    """
    fields = compile_cron(recurrence.cron)
    instants: list[datetime] = []
    instant = next_occurrence(fields, UTC, _utc(now))
    while instant is not None and len(instants) < _INSTANTS_LOOKED_AT:
        instants.append(instant)
        instant = next_occurrence(fields, UTC, instant)
    return min((later - earlier for earlier, later in pairwise(instants)), default=timedelta.max)


def require_minimum_interval(
    recurrence: Recurrence, minimum: timedelta, now: datetime, field: str = "cron_expression"
) -> None:
    """Raise `RecurrenceError` (cron_too_frequent) if two runs are less than `minimum` apart.

    `field` is what named the recurrence: the error is about it.
    """
    shortest = shortest_interval(recurrence, now)
    if shortest < minimum:
        raise RecurrenceError(
            field,
            RecurrenceCode.CRON_TOO_FREQUENT,
            f"two runs are {_minutes(shortest)} apart, less than {_minutes(minimum)}",
            "Let more time pass between two runs.",
        )


@lru_cache(maxsize=_REMEMBERED)
def _next_after(recurrence: Recurrence, base: datetime) -> datetime | None:
    fields = compile_cron(recurrence.cron)
    return next_occurrence(fields, load_zone(recurrence.timezone), base)


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise ValueError(f"{instant!r} has no time zone: pass an aware datetime.")
    return instant.astimezone(UTC)


def _minutes(duration: timedelta) -> str:
    count = duration / timedelta(minutes=1)
    return f"{count:g} minute{'' if count == 1 else 's'}"
