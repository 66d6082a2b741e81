"""Schedules as values, with the windows and instants that their tests share."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.blackout import BlackoutWindow, DatedDays, WeeklyHours
from shared.domain.presets import WEEKDAYS
from shared.domain.schedule import (
    BlackoutPolicy,
    Frequency,
    MissedRunPolicy,
    RecurrenceFields,
    Schedule,
)
from shared.domain.spread import spread_offset

OSLO = "Europe/Oslo"
CONNECTOR = UUID(int=7)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
OFFSET = spread_offset(CONNECTOR, HOUR)
"""Of a schedule whose spread is an hour."""

MANUAL = RecurrenceFields(Frequency.MANUAL, OSLO)
REALTIME = RecurrenceFields(Frequency.REALTIME, OSLO)


def oslo(text: str) -> datetime:
    """Return an instant from a local time in Oslo, such as "2026-03-02 02:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(OSLO)).astimezone(UTC)


def cron(expression: str, timezone: str = OSLO) -> RecurrenceFields:
    return RecurrenceFields(Frequency.CUSTOM, timezone, cron_expression=expression)


def schedule(mark: datetime, **values: object) -> Schedule:
    """Return a schedule (daily at 02:00 in Oslo, unless told otherwise) with its mark."""
    wanted = {
        "id": 1,
        "workspace_id": 1,
        "connector_id": 1,
        "connector_public_id": CONNECTOR,
        "connector_is_usable": True,
        "recurrence": cron("0 2 * * *"),
        "missed_run_policy": MissedRunPolicy.RUN_ONCE,
        "catch_up_window": timedelta(days=1),
        "spread": timedelta(0),
        "blackout_policy": BlackoutPolicy.SKIP,
        "blackouts": (),
        "paused_until": None,
        "planned_through": mark,
        **values,
    }
    return Schedule(**wanted)


def hours(starts: str, ends: str, *, days: tuple[str, ...] = WEEKDAYS) -> BlackoutWindow:
    return BlackoutWindow("Nights", OSLO, WeeklyHours(frozenset(days), starts, ends))


def days(first: str, last: str) -> BlackoutWindow:
    hours = DatedDays(date.fromisoformat(first), date.fromisoformat(last))
    return BlackoutWindow("Holidays", OSLO, hours)
