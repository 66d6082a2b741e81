"""Blackout windows: times in which no sync of a workspace may start, and when they end.

A window holds from its start up to its end, which is free again: from the first instant at which
the clock shows its start or more, until the clock shows less than its end for the last time. So a
start or end that the clock skips is the first instant after the gap, and of times that come twice
the window covers both copies.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from shared.domain.local_time import change_at, instant_of, load_zone, offsets_of
from shared.domain.presets import WEEKDAYS
from shared.errors import RecurrenceError

HORIZON = timedelta(days=400)
"""How far ahead the end of a blackout is looked for."""

_DAY = timedelta(days=1)
_SMALLEST = timedelta(microseconds=1)
_REMEMBERED = 8_192
# A span begins and ends within two days on the clock's face, and no clock is a day off UTC.
_DAYS_AROUND = tuple(timedelta(days=shift) for shift in (-2, -1, 0, 1))


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Hours that come back every week; an end at or before the start is on the next day."""

    days: frozenset[str]
    """Names as in `presets.WEEKDAYS`, of the days on which the hours start."""
    starts: str
    """HH:MM, 00:00 to 23:59."""
    ends: str
    """HH:MM, 00:00 to 24:00."""


@dataclass(frozen=True, slots=True)
class DatedDays:
    """Whole local days, both ends included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class BlackoutWindow:
    """A named window on the wall clock of an IANA zone."""

    name: str
    timezone: str
    hours: WeeklyHours | DatedDays


@dataclass(frozen=True, slots=True)
class Blackout:
    """What an instant within a window lies in."""

    name: str
    """Of the first of the windows that hold then."""
    ends_at: datetime | None
    """The first instant at which no window holds, UTC; None when there is none within `HORIZON`."""


@dataclass(frozen=True, slots=True)
class _Span:
    starts_at: datetime
    ends_at: datetime


def blackout_at(windows: Sequence[BlackoutWindow], instant: datetime) -> Blackout | None:
    """Return the blackout that an aware instant lies in, or None when it lies in none.

    Windows that touch or overlap are one blackout. The calendar's first and last days have none.
    Raises `ValueError` for a naive instant, `RecurrenceError` for a zone that is none (any more).
    """
    if instant.utcoffset() is None:
        raise ValueError(f"{instant!r} has no time zone: pass an aware datetime.")
    moment = instant.astimezone(UTC)
    heeded = tuple(windows)
    for name, span in _named_spans_on(heeded, moment.date()):
        if span.starts_at <= moment < span.ends_at:
            ends_at = _free_from(heeded, span.ends_at)
            is_near = ends_at is not None and ends_at - moment <= HORIZON
            return Blackout(name, ends_at if is_near else None)
    return None


def held_since(windows: Sequence[BlackoutWindow], instant: datetime) -> datetime:
    """Return the start of the blackout that an aware instant lies in, or that ends just then.

    That is `instant` itself where no window holds, and at most a step beyond `HORIZON` back.
    """
    start = instant.astimezone(UTC)
    earliest = start - HORIZON
    while start > earliest:
        day = (start - _SMALLEST).date()
        starts = [
            span.starts_at
            for window in windows
            for span in _spans_on(window, day)
            if span.starts_at < start <= span.ends_at
        ]
        if not starts:
            break
        start = min(starts)
    return start


def is_readable(window: BlackoutWindow) -> bool:
    """Tell whether a window's zone is there: newer or older zone data may lack one."""
    try:
        load_zone(window.timezone)
    except RecurrenceError:
        return False
    return True


def free_start(
    windows: Sequence[BlackoutWindow], starts_at: datetime, now: datetime
) -> datetime | None:
    """Return when a run that would start at `starts_at`, or `now` if it is late, may start.

    That is `starts_at` itself, also a late one, unless a window holds then; None if it has no end.
    """
    blackout = blackout_at(windows, max(starts_at, now))
    return starts_at if blackout is None else blackout.ends_at


@lru_cache(maxsize=_REMEMBERED)
def _named_spans_on(
    windows: tuple[BlackoutWindow, ...], day: date
) -> tuple[tuple[str, _Span], ...]:
    """Return what reaches into a UTC day, in the order of the windows."""
    return tuple((window.name, span) for window in windows for span in _spans_on(window, day))


@lru_cache(maxsize=_REMEMBERED)
def _free_from(windows: tuple[BlackoutWindow, ...], start: datetime) -> datetime | None:
    """Return the first instant at or after `start` at which no window holds."""
    instant = start
    while instant - start <= HORIZON:
        ends = [
            span.ends_at
            for window in windows
            for span in _spans_on(window, instant.date())
            if span.starts_at <= instant < span.ends_at
        ]
        if not ends:
            return instant
        instant = max(ends)
    return None


@lru_cache(maxsize=_REMEMBERED)
def _spans_on(window: BlackoutWindow, day: date) -> tuple[_Span, ...]:
    """Return the spans of a window that reach into a UTC day."""
    try:
        near = tuple(_spans(window, [day + shift for shift in _DAYS_AROUND]))
    except OverflowError:  # the calendar ends with year 9999 and begins with year 1
        return ()
    return tuple(span for span in near if span.starts_at.date() <= day <= span.ends_at.date())


def _spans(window: BlackoutWindow, days: Sequence[date]) -> Iterator[_Span]:
    """Yield the spans that start on these local days; of dated days the whole if one is of them."""
    zone = load_zone(window.timezone)
    match window.hours:
        case DatedDays(first=first, last=last):
            if any(first <= day <= last for day in days):
                yield _span(zone, _midnight(first), _midnight(last) + _DAY)
        case WeeklyHours(days=names, starts=starts, ends=ends):
            start, end = _since_midnight(starts), _since_midnight(ends)
            end = end if end > start else end + _DAY
            for day in days:
                if WEEKDAYS[day.isoweekday() % 7] in names:
                    yield _span(zone, _midnight(day) + start, _midnight(day) + end)


def _span(zone: tzinfo, start: datetime, end: datetime) -> _Span:
    """Return the instants from one naive local time to another."""
    return _Span(_first_copy(start, zone), _end(end, zone))


def _end(local: datetime, zone: tzinfo) -> datetime:
    change = change_at(local, zone)
    # Of a stretch that comes twice the first time of all has nothing before it that comes again.
    if change is None or change.skips or local == change.start:
        return _first_copy(local, zone)
    return instant_of(local, change.after)


def _first_copy(local: datetime, zone: tzinfo) -> datetime:
    change = change_at(local, zone)
    if change is not None and change.skips:
        return change.at
    return instant_of(local, offsets_of(local, zone)[0])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def _since_midnight(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))
