"""What a blackout window must keep to: forms of its fields, and room for syncs beside it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from shared.domain.blackout import BlackoutWindow, DatedDays, WeeklyHours, blackout_at
from shared.domain.local_time import load_zone
from shared.domain.presets import WEEKDAYS
from shared.errors import InvalidInputError, Problem

MAX_WINDOWS = 50
"""Of a workspace."""

_MAX_DAYS = 366
_WEEK = timedelta(weeks=1)
_YEAR = timedelta(days=365)
_START = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_END = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class BlackoutCode(StrEnum):
    """The rule that a blackout window breaks; stable, for the API and the dashboard."""

    WEEKLY_OR_DATED = "blackout_weekly_or_dated"
    DAYS_REQUIRED = "blackout_days_required"
    DAY_OF_WEEK = "valid_day_of_week_enum"
    TIME_FORMAT = "blackout_time_format"
    DATE_FORMAT = "blackout_date_format"
    DATES_ORDER = "blackout_dates_order"
    DATES_SPAN = "blackout_dates_span"
    COVERS_EVERYTHING = "blackout_covers_everything"
    TOO_MANY = "too_many_blackout_windows"


@dataclass(frozen=True, slots=True)
class WantedHours:
    """Weekly hours as somebody wrote them."""

    days: tuple[str, ...]
    starts: str
    ends: str


@dataclass(frozen=True, slots=True)
class WantedDays:
    """Dated days as somebody wrote them."""

    first: str
    last: str


@dataclass(frozen=True, slots=True)
class WantedWindow:
    """A window as somebody asked for it; None in `timezone` means the workspace's own."""

    name: str
    timezone: str | None
    weekly: WantedHours | None
    dated: WantedDays | None


def parse_window(wanted: WantedWindow, default_timezone: str) -> BlackoutWindow:
    """Return the window that was asked for; raise `InvalidInputError` naming each wrong field."""
    timezone = wanted.timezone or default_timezone
    problems: list[Problem] = []
    hours = None
    try:
        load_zone(timezone)
    except InvalidInputError as error:
        problems.extend(error.problems)
    try:
        hours = _parse_hours(wanted)
    except InvalidInputError as error:
        problems.extend(error.problems)
    if hours is None or problems:
        raise InvalidInputError(*problems)
    return BlackoutWindow(wanted.name, timezone, hours)


def require_room(existing: Sequence[BlackoutWindow], wanted: BlackoutWindow, now: datetime) -> None:
    """Raise `InvalidInputError` (blackout_covers_everything) if syncs could hardly start any more.

    That is when the weekly hours leave no instant free in one of the weeks of the next year, or all
    windows together none in the year. Dated days may cover weeks: they are over some day.
    """
    windows = (*existing, wanted)
    weekly = [window for window in windows if isinstance(window.hours, WeeklyHours)]
    weeks = (now + number * _WEEK for number in range(_YEAR // _WEEK + 1))
    if any(_is_covered(weekly, week, _WEEK) for week in weeks):
        reason = "the weekly hours leave no time of some week in which a sync may start"
    elif _is_covered(windows, now, _YEAR):
        reason = "the windows leave no time of the next year in which a sync may start"
    else:
        return
    field = "weekly" if isinstance(wanted.hours, WeeklyHours) else "dated"
    hint = "Leave some time free, or pause the schedules instead."
    raise InvalidInputError(Problem(field, BlackoutCode.COVERS_EVERYTHING, reason, hint))


def _is_covered(windows: Sequence[BlackoutWindow], start: datetime, length: timedelta) -> bool:
    blackout = blackout_at(windows, start)
    if blackout is None:
        return False
    return blackout.ends_at is None or blackout.ends_at - start >= length


def _parse_hours(wanted: WantedWindow) -> WeeklyHours | DatedDays:
    match wanted.weekly, wanted.dated:
        case WantedHours() as weekly, None:
            return _parse_weekly(weekly)
        case None, WantedDays() as dated:
            return _parse_dated(dated)
        case _:
            raise InvalidInputError(
                Problem(
                    "weekly",
                    BlackoutCode.WEEKLY_OR_DATED,
                    "a window has either weekly hours or dated days",
                    "Send exactly one of `weekly` and `dated`.",
                )
            )


def _parse_weekly(wanted: WantedHours) -> WeeklyHours:
    problems = [
        *_problems_of_days(wanted.days),
        *_problems_of_time("weekly.from", wanted.starts, _START, "23:59"),
        *_problems_of_time("weekly.to", wanted.ends, _END, "24:00"),
    ]
    if problems:
        raise InvalidInputError(*problems)
    return WeeklyHours(frozenset(wanted.days), wanted.starts, wanted.ends)


def _problems_of_days(days: Sequence[str]) -> list[Problem]:
    hint = f"Use some of {', '.join(WEEKDAYS)}."
    if not days:
        reason = "weekly hours need a day of the week"
        return [Problem("weekly.days", BlackoutCode.DAYS_REQUIRED, reason, hint)]
    wrong = next((day for day in days if day not in WEEKDAYS), None)
    if wrong is None:
        return []
    reason = f"{wrong[:20]!r} is not a day of the week"
    return [Problem("weekly.days", BlackoutCode.DAY_OF_WEEK, reason, hint)]


def _problems_of_time(field: str, text: str, form: re.Pattern[str], latest: str) -> list[Problem]:
    if form.fullmatch(text):
        return []
    reason = f"{text[:20]!r} is not a time of day"
    hint = f"Write hours and minutes with two digits each, 00:00 to {latest}."
    return [Problem(field, BlackoutCode.TIME_FORMAT, reason, hint)]


def _parse_dated(wanted: WantedDays) -> DatedDays:
    first, last = _parse_date(wanted.first), _parse_date(wanted.last)
    if first is None or last is None:
        given = {"dated.first": (first, wanted.first), "dated.last": (last, wanted.last)}
        raise InvalidInputError(
            *(
                Problem(
                    field,
                    BlackoutCode.DATE_FORMAT,
                    f"{text[:20]!r} is not a date",
                    "Write year, month and day, such as 2026-12-24.",
                )
                for field, (parsed, text) in given.items()
                if parsed is None
            )
        )
    if first > last:
        reason, hint = "it is before the first day", "The last day may be the first, or later."
        raise InvalidInputError(Problem("dated.last", BlackoutCode.DATES_ORDER, reason, hint))
    if (last - first).days >= _MAX_DAYS:
        reason = f"the window has more than {_MAX_DAYS} days"
        hint = "Use a shorter one, or pause the schedules instead."
        raise InvalidInputError(Problem("dated.last", BlackoutCode.DATES_SPAN, reason, hint))
    return DatedDays(first, last)


def _parse_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None
