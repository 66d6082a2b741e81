"""An oracle of blackout windows that walks through every minute."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import accumulate

from shared.domain.blackout import BlackoutWindow, DatedDays
from shared.domain.local_time import load_zone

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@cache
def walls(zone: str, start: datetime, end: datetime) -> Sequence[datetime]:
    """Return what the clock of a zone shows in each minute of [start, end)."""
    info = load_zone(zone)
    count = (end - start) // MINUTE
    minutes = (start + number * MINUTE for number in range(count))
    return [minute.astimezone(info).replace(tzinfo=None) for minute in minutes]


def held_minutes(window: BlackoutWindow, start: datetime, end: datetime) -> set[int]:
    """Return the minutes of [start, end), by number, in which a window holds, by walking them all.

    It begins when the clock first reaches its start, and ends when the clock has last left what
    lies before its end.
    """
    shown = walls(window.timezone, start, end)
    reached = list(accumulate(shown, max))
    to_come = list(accumulate(reversed(shown), min))[::-1]
    held: set[int] = set()
    for begins, ceases in local_hours(window, start.date(), end.date()):
        held.update(range(bisect_left(reached, begins), bisect_left(to_come, ceases)))
    return held


def local_hours(window: BlackoutWindow, start: date, end: date) -> list[tuple[datetime, datetime]]:
    """Return the local times of a window from some days before `start` to some after `end`."""
    hours, found = window.hours, []
    day = start - 4 * DAY
    while day < end + 4 * DAY:
        midnight = datetime.combine(day, time())
        if isinstance(hours, DatedDays):
            if hours.first <= day <= hours.last:
                found.append((midnight, midnight + DAY))
        elif f"{day:%A}".lower() in hours.days:
            begins = datetime.combine(day, time.fromisoformat(hours.starts))
            ceases = midnight + DAY
            if hours.ends != "24:00":
                ceases = datetime.combine(day, time.fromisoformat(hours.ends))
            found.append((begins, ceases if ceases > begins else ceases + DAY))
        day += DAY
    return found
