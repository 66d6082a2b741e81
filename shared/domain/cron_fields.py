"""Compiled cron fields, matched on naive local time: no zone is known here.

Sets of numbers are bit masks: bit `n` stands for the value `n`.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime, time

HORIZON_YEARS = 10
"""How many years a search goes on; a legal expression has a date in any so many years."""

SHORTEST_MONTH = 28
LONGEST_MONTH = 31
_MONTHS = 12
_CALENDAR_CYCLE_YEARS = 400
_EVERY_KIND_OF_YEAR = range(2000, 2028)
"""Leap or not, beginning on each weekday."""


@dataclass(frozen=True, slots=True)
class CronFields:
    """What an expression matches."""

    minutes: int
    hours: int
    months: int
    days: tuple[tuple[int, ...], ...]
    """Matching days of a month: by the weekday of its first (Monday 0), then by its length."""
    keeps_cadence: bool
    """Minute or hour starts with `*`: runs follow elapsed time through clock changes."""

    def first_at_or_after(self, local: datetime) -> datetime | None:
        """Return the first match from the whole minute `local` on, or None within the horizon."""
        day = local.date()
        if self._days_of(day.year, day.month) >> day.day & 1:
            found = self._time_at_or_after(local.hour, local.minute)
            if found is not None:
                return datetime.combine(day, found)
        later = self._day_after(day)
        if later is None:
            return None
        return datetime.combine(later, time(_lowest(self.hours), _lowest(self.minutes)))

    def last_at_or_before(self, local: datetime) -> datetime | None:
        """Return the last match up to the whole minute `local`, or None within the horizon."""
        day = local.date()
        if self._days_of(day.year, day.month) >> day.day & 1:
            found = self._time_at_or_before(local.hour, local.minute)
            if found is not None:
                return datetime.combine(day, found)
        earlier = self._day_before(day)
        if earlier is None:
            return None
        return datetime.combine(earlier, time(_highest(self.hours), _highest(self.minutes)))

    def fires_every_decade(self) -> bool:
        """Tell whether every ten years in a row, at any time, hold a matching day."""
        if all(self._has_day(year) for year in _EVERY_KIND_OF_YEAR):
            return True
        barren = 0
        # The calendar repeats after 400 years; ten more close the circle.
        for year in range(2000, 2000 + _CALENDAR_CYCLE_YEARS + HORIZON_YEARS):
            barren = 0 if self._has_day(year) else barren + 1
            if barren == HORIZON_YEARS:
                return False
        return True

    def _has_day(self, year: int) -> bool:
        return any(self._days_of(year, month) for month in range(1, _MONTHS + 1))

    def _days_of(self, year: int, month: int) -> int:
        if not self.months >> month & 1:
            return 0
        first_weekday, length = monthrange(year, month)
        return self.days[first_weekday][length - SHORTEST_MONTH]

    def _time_at_or_after(self, hour: int, minute: int) -> time | None:
        if self.hours >> hour & 1 and (minutes := _from(self.minutes, minute)):
            return time(hour, _lowest(minutes))
        hours = _from(self.hours, hour + 1)
        return time(_lowest(hours), _lowest(self.minutes)) if hours else None

    def _time_at_or_before(self, hour: int, minute: int) -> time | None:
        if self.hours >> hour & 1 and (minutes := _below(self.minutes, minute + 1)):
            return time(hour, _highest(minutes))
        hours = _below(self.hours, hour)
        return time(_highest(hours), _highest(self.minutes)) if hours else None

    def _day_after(self, day: date) -> date | None:
        if days := _from(self._days_of(day.year, day.month), day.day + 1):
            return day.replace(day=_lowest(days))
        last_year = min(day.year + HORIZON_YEARS, MAXYEAR)
        for index in range(day.year * _MONTHS + day.month, (last_year + 1) * _MONTHS):
            year, month = index // _MONTHS, index % _MONTHS + 1
            if days := self._days_of(year, month):
                return date(year, month, _lowest(days))
        return None

    def _day_before(self, day: date) -> date | None:
        if days := _below(self._days_of(day.year, day.month), day.day):
            return day.replace(day=_highest(days))
        first_year = max(day.year - HORIZON_YEARS, MINYEAR)
        for index in range(day.year * _MONTHS + day.month - 2, first_year * _MONTHS - 1, -1):
            year, month = index // _MONTHS, index % _MONTHS + 1
            if days := self._days_of(year, month):
                return date(year, month, _highest(days))
        return None


def _from(mask: int, bit: int) -> int:
    return mask >> bit << bit


def _below(mask: int, bit: int) -> int:
    return mask & ((1 << bit) - 1)


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _highest(mask: int) -> int:
    return mask.bit_length() - 1
