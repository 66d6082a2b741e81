"""When a unix-cron schedule fires in a time zone: croniter finds wall times, the zone is ours."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ITEM = re.compile(r"(\*|([0-9]{1,2}|[a-z]{3})(-([0-9]{1,2}|[a-z]{3}))?)(/[0-9]{1,2})?")
_ONE_SECOND = timedelta(seconds=1)


class ScheduleError(ValueError):
    """A schedule or time zone that cannot be; the message says which and why."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()

    def check(self, text: str) -> None:
        """Raise `ScheduleError` unless `text` is a list of values, ranges and steps."""
        for item in text.lower().split(","):
            found = _ITEM.fullmatch(item)
            if found is None:
                raise ScheduleError(f"{item!r} is not a value, range or step of {self.name}.")
            first, last, step = found[2], found[4], found[5]
            low = self.low if first is None else self._number(first)
            high = None if last is None else self._number(last)
            if high is not None and high <= low:
                raise ScheduleError(f"The range {item!r} of {self.name} does not go up.")
            if step is not None and int(step[1:]) == 0:
                raise ScheduleError(f"The step of {item!r} of {self.name} is zero.")

    def _number(self, text: str) -> int:
        if text.isdecimal():
            number = int(text)
        elif text in self.words:
            number = self.words.index(text) + self.low
        else:
            raise ScheduleError(f"{text!r} is not a value of {self.name}.")
        if not self.low <= number <= self.high:
            raise ScheduleError(f"{text} is outside {self.low} to {self.high} of {self.name}.")
        return number


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A checked schedule in its zone."""

    expression: str
    zone: ZoneInfo
    keeps_cadence: bool
    """The minute or hour starts with `*`: it fires by what the clock shows, through any change."""

    @classmethod
    def parse(cls, expression: str, zone_name: str) -> Self:
        """Read five unix-cron fields and a tz database name (empty means UTC).

        Raises `ScheduleError` for anything else, also for a date that never comes.
        """
        fields = expression.split()
        if len(fields) != len(_FIELDS):
            raise ScheduleError(
                "Give the five fields of unix-cron: minute, hour, day of month, month, day of week."
                " English schedules such as 'every 5 minutes' are not served: use '*/5 * * * *'."
            )
        for field, text in zip(_FIELDS, fields, strict=True):
            field.check(text)
        keeps_cadence = fields[0].startswith("*") or fields[1].startswith("*")
        cron = cls(" ".join(fields), _zone(zone_name), keeps_cadence)
        try:
            next(cron._wall_times(datetime(2000, 1, 1)))  # noqa: DTZ001 (wall time)
        except CroniterError as error:
            raise ScheduleError(str(error)) from error
        return cron

    def next_after(self, instant: datetime) -> datetime:
        """Return the first firing strictly after an aware instant, in UTC.

        A wall time that the clock skips fires at the first instant after the gap; one that comes
        twice fires at its first copy. A schedule that keeps cadence fires whenever the clock
        shows a matching time.
        """
        base = instant.astimezone(UTC)
        best: datetime | None = None
        for wall in self._wall_times(self._search_from(base)):
            firings = self._firings(wall)
            if best is not None and firings and firings[0] >= best:
                break
            later = [firing for firing in firings if firing > base]
            if later and (best is None or later[0] < best):
                best = later[0]
        if best is None:
            raise ScheduleError(f"{self.expression!r} never fires after {base.isoformat()}.")
        return best

    def _search_from(self, base: datetime) -> datetime:
        """Return the wall time after which to look for matches.

        Within the first copy of a repeated time the second copy is still to come, so matches
        that the clock has already shown count again.
        """
        local = base.astimezone(self.zone).replace(microsecond=0)
        wall = local.replace(tzinfo=None, fold=0)
        first, second = self._offset(wall, 0), self._offset(wall, 1)
        if first > second and local.fold == 0:
            return wall - (first - second)
        return wall

    def _wall_times(self, after: datetime) -> Iterator[datetime]:
        return iter(croniter(self.expression, after, ret_type=datetime))

    def _firings(self, wall: datetime) -> list[datetime]:
        """Return the instants, in order, at which a matching wall time fires."""
        first, second = self._offset(wall, 0), self._offset(wall, 1)
        as_utc = wall.replace(tzinfo=UTC)
        if first == second:
            return [as_utc - first]
        if first < second:  # the clock jumps over this wall time
            return [] if self.keeps_cadence else [self._end_of_gap(as_utc, first, second)]
        return [as_utc - first, as_utc - second] if self.keeps_cadence else [as_utc - first]

    def _end_of_gap(self, as_utc: datetime, before: timedelta, after: timedelta) -> datetime:
        """Return the instant at which the offset `before` gives way to `after`."""
        low, high = as_utc - after, as_utc - before
        while high - low > _ONE_SECOND:
            middle = low + (high - low) // 2
            middle = middle.replace(microsecond=0)
            if middle.astimezone(self.zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        return high

    def _offset(self, wall: datetime, fold: int) -> timedelta:
        offset = wall.replace(tzinfo=self.zone, fold=fold).utcoffset()
        return timedelta(0) if offset is None else offset


def _zone(name: str) -> ZoneInfo:
    if not name or name.lower() == "utc":
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ScheduleError(f"{name!r} is not a name of the tz database.") from error
