"""Wall-clock times of a zone: which instants they are, and the clock changes between them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import cast
from zoneinfo import ZoneInfo

from shared.domain.recurrence_code import RecurrenceCode
from shared.domain.zone_data import read_zone
from shared.errors import RecurrenceError

MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)


def load_zone(name: str) -> ZoneInfo:
    """Return the IANA zone of that name; raise `RecurrenceError` if there is none."""
    try:
        return read_zone(name)
    except KeyError:
        raise RecurrenceError(
            "timezone",
            RecurrenceCode.TIMEZONE,
            f"{name[:50]!r} is not a time zone",
            "Use a name of the IANA database, such as Europe/Oslo.",
        ) from None


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A change of a zone's clock that skips or repeats local times."""

    at: datetime
    """The first instant of the new offset, UTC."""
    before: timedelta
    after: timedelta

    @property
    def skips(self) -> bool:
        """True for a gap, False for an overlap."""
        return self.after > self.before

    @property
    def start(self) -> datetime:
        """The first local time skipped or repeated, naive."""
        return self.at.replace(tzinfo=None) + min(self.before, self.after)

    @property
    def end(self) -> datetime:
        """The first local time that is neither skipped nor repeated any more, naive."""
        return self.at.replace(tzinfo=None) + max(self.before, self.after)


def change_at(local: datetime, zone: tzinfo) -> ClockChange | None:
    """Return the change that skips or repeats a naive local time, or None for any other time."""
    before, after = offsets_of(local, zone)
    return None if before == after else _find_change(local, zone, before, after)


def offsets_of(local: datetime, zone: tzinfo) -> tuple[timedelta, timedelta]:
    """Return the UTC offsets of a naive local time: equal, or before and after a change."""
    # A zone of the IANA database has an offset for every time.
    before = cast("timedelta", zone.utcoffset(local))
    return before, cast("timedelta", zone.utcoffset(local.replace(fold=1)))


def instant_of(local: datetime, offset: timedelta) -> datetime:
    """Return the UTC instant of a naive local time at an offset."""
    return (local - offset).replace(tzinfo=UTC)


def whole_minute_of(local: datetime) -> datetime:
    """Return a naive local time without its seconds."""
    return local.replace(second=0, microsecond=0)


def whole_minute_from(local: datetime) -> datetime:
    """Return the first whole minute at or after a naive local time."""
    floor = whole_minute_of(local)
    return floor if floor == local else floor + MINUTE


def whole_minute_before(local: datetime) -> datetime:
    """Return the last whole minute before a naive local time."""
    return whole_minute_from(local) - MINUTE


def _find_change(local: datetime, zone: tzinfo, before: timedelta, after: timedelta) -> ClockChange:
    # zoneinfo keeps its list of changes to itself, so look for this one by halves. Clocks change at
    # whole seconds.
    whole = local.replace(microsecond=0)
    old = instant_of(whole, max(before, after))
    new = instant_of(whole, min(before, after))
    while new - old > _SECOND:
        middle = old + timedelta(seconds=(new - old) // _SECOND // 2)
        if middle.astimezone(zone).utcoffset() == before:
            old = middle
        else:
            new = middle
    return ClockChange(at=new, before=before, after=after)
