"""What is drawn by chance of a world: recurrences, zones, schedules and blackout windows."""

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from shared.domain.blackout import BlackoutWindow, DatedDays, WeeklyHours
from shared.domain.presets import WEEKDAYS
from shared.domain.schedule import (
    BlackoutPolicy,
    Frequency,
    MissedRunPolicy,
    OverlapPolicy,
    RecurrenceFields,
)
from tests.domain.drawn import LIVELY_ZONES, clock_changes
from tests.faults.simulation.rows import ScheduleRow, Workspace

_YEAR = 2026
_ZONES = ("UTC", *LIVELY_ZONES)
_FREQUENCIES = {
    Frequency.CUSTOM: 50,
    Frequency.HOURLY: 14,
    Frequency.DAILY: 14,
    Frequency.WEEKLY: 10,
    Frequency.MONTHLY: 8,
    Frequency.MANUAL: 2,
    Frequency.REALTIME: 2,
}
"""How likely each is."""
_FREQUENT = (
    "* * * * *",
    "*/5 * * * *",
    "*/7 * * * *",
    "*/15 * * * *",
    "3-58/11 * * * *",
    "0,1,2 * * * *",
)
_ODD = (
    "30 2 * * *",
    "15,45 0-4 * * *",
    "0 */3 * * *",
    "*/20 1-3 * * *",
    "0 9-17 * * 1-5",
    "0 0 L * *",
    "30 1 * * mon#2",
    "0 2 13 * fri",
    "59 23 * * *",
    "@daily",
)


def draw_zone(chance: Random) -> str:
    """Return a zone, most of which change their clocks."""
    return chance.choice(_ZONES)


def draw_start(chance: Random, zone: str) -> datetime:
    """Return an instant of the year, often within the day before the zone's clock changes."""
    changes = clock_changes(zone, _YEAR, _YEAR)
    if changes and chance.random() < 0.6:
        around = chance.choice(changes)
    else:
        around = datetime(_YEAR, 1, 2, tzinfo=UTC) + timedelta(minutes=chance.randrange(500_000))
    return around.replace(second=0) - timedelta(minutes=chance.randrange(1_440))


def draw_fields(chance: Random, zone: str, now: datetime) -> RecurrenceFields:
    """Return timing settings; a monthly one is due within the next days."""
    hour = chance.choice((0, 1, 2, 3, chance.randrange(24)))
    time = f"{hour:02d}:{chance.randrange(60):02d}"
    [frequency] = chance.choices(tuple(_FREQUENCIES), tuple(_FREQUENCIES.values()))
    match frequency:
        case Frequency.CUSTOM:
            expressions = chance.choice((_FREQUENT, _ODD, (_cron(chance),)))
            cron = chance.choice(expressions)
            return RecurrenceFields(frequency, zone, cron_expression=cron)
        case Frequency.WEEKLY:
            return RecurrenceFields(frequency, zone, time, chance.choice(WEEKDAYS))
        case Frequency.MONTHLY:
            day = min(28, now.day + chance.randrange(3))
            return RecurrenceFields(frequency, zone, time, preferred_day_of_month=day)
        case Frequency.MANUAL | Frequency.REALTIME:
            return RecurrenceFields(frequency, zone)
        case _:
            return RecurrenceFields(frequency, zone, time)


def draw_catch_up(chance: Random, fields: RecurrenceFields) -> timedelta:
    """Return a catch-up window; a short one where running all of a week would be thousands."""
    is_frequent = fields.cron_expression in _FREQUENT
    hours = (0, 0.5, 3, 6) if is_frequent else (0, 6, 24, 168)
    return timedelta(hours=chance.choice(hours))


def draw_spread(chance: Random) -> timedelta:
    """Return a spread, none in half of the cases."""
    return timedelta(seconds=chance.choice((0, 0, 0, 60, 600, 7_200)))


def draw_missed_run_policy(chance: Random) -> MissedRunPolicy:
    """Return a policy for missed periods, the usual one in half of the cases."""
    return chance.choice((MissedRunPolicy.RUN_ONCE, *MissedRunPolicy))


def draw_schedule(
    chance: Random, key: int, workspace: Workspace, home: str, now: datetime
) -> ScheduleRow:
    """Return a new schedule of a new connector, in most cases in the zone `home`."""
    zone = home if chance.random() < 0.7 else draw_zone(chance)
    fields = draw_fields(chance, zone, now)
    return ScheduleRow(
        id=key,
        workspace=workspace,
        connector=UUID(int=chance.getrandbits(128)),
        fields=fields,
        missed_run_policy=draw_missed_run_policy(chance),
        overlap_policy=chance.choice(tuple(OverlapPolicy)),
        blackout_policy=chance.choice(tuple(BlackoutPolicy)),
        catch_up_window=draw_catch_up(chance, fields),
        spread=draw_spread(chance),
        max_attempts=chance.randint(1, 5),
        planned_through=None,
    )


def draw_window(chance: Random, now: datetime) -> BlackoutWindow:
    """Return weekly hours of some days, or one or two dated days soon."""
    zone = draw_zone(chance)
    if chance.random() < 0.3:
        first = now.date() + timedelta(days=chance.randrange(3))
        last = first + timedelta(days=chance.randrange(2))
        return BlackoutWindow("Holidays", zone, DatedDays(first, last))
    start = chance.randrange(24 * 60)
    end = (start + chance.choice((20, 240, 660))) % (24 * 60)
    days = frozenset(chance.sample(WEEKDAYS, chance.randint(3, 7)))
    return BlackoutWindow("Nights", zone, WeeklyHours(days, _clock(start), _clock(end)))


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _cron(chance: Random) -> str:
    minute = chance.choice((f"{chance.randrange(60)}", f"{chance.randrange(30)}-59/20", "*/30"))
    first = chance.randrange(20)
    hour = chance.choice(("*", f"{first}-{first + 3}", f"{first},{first + 1}", "*/2"))
    day = chance.choice(("*", "*", "*", f"{chance.randint(1, 28)}"))
    weekday = chance.choice(("*", "*", "mon-fri", "sat,sun"))
    return f"{minute} {hour} {day} * {weekday}"
