"""What a tick does with one schedule: which periods become runs, which are skipped and why.

A function from values to a value. The high-water mark `planned_through` moves over every period
that it decides, so that each has a row and none is decided twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from shared.domain.recurrence import Recurrence
from shared.domain.run import Reason, scheduled_key
from shared.domain.schedule import MissedRunPolicy, Schedule
from shared.domain.spread import spread_offset

ON_TIME = timedelta(seconds=60)
"""A period that is late by less than a tick was not missed."""

MAX_PERIODS = 1_000
"""How many periods one pass decides for one schedule; the next pass goes on from there."""

MAX_SKIPPED_ROWS = 100
"""How many skipped periods get a row of their own; older ones share one row with a count."""


@dataclass(frozen=True, slots=True)
class PlannedPeriod:
    """A period and its fate: a run, or with `reason` a skip that stands for `count` periods."""

    period_at: datetime
    not_before_at: datetime
    idempotency_key: str
    reason: Reason | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one schedule: rows to write, and where its marks go."""

    periods: tuple[PlannedPeriod, ...]
    planned_through: datetime
    next_scheduled_at: datetime | None
    is_whole: bool
    """False when periods up to the horizon are left for another pass."""


def plan(schedule: Schedule, recurrence: Recurrence, now: datetime, look_ahead: timedelta) -> Plan:
    """Decide every period after the mark up to `now + look_ahead`, at most `MAX_PERIODS`."""
    horizon = now + look_ahead
    instants = recurrence.between(schedule.planned_through, horizon, MAX_PERIODS)
    is_whole = len(instants) < MAX_PERIODS
    mark = horizon if is_whole else instants[-1]
    newest = _newest_due(recurrence, instants, now)
    fates = [(instant, _fate(schedule, instant, now, newest)) for instant in instants]
    return Plan(
        periods=_with_long_gap_as_one(schedule, fates),
        planned_through=mark,
        next_scheduled_at=recurrence.next_after(mark),
        is_whole=is_whole,
    )


def _newest_due(
    recurrence: Recurrence, instants: Sequence[datetime], now: datetime
) -> datetime | None:
    due = [instant for instant in instants if instant <= now]
    if not due:
        return None
    following = recurrence.next_after(due[-1])
    # In the middle of a long catch-up a newer one follows in a later pass.
    return due[-1] if following is None or following > now else None


def _fate(
    schedule: Schedule, instant: datetime, now: datetime, newest: datetime | None
) -> Reason | None:
    if not schedule.connector_is_usable:
        return Reason.CONNECTOR_UNAVAILABLE
    if schedule.paused_until is not None and instant < schedule.paused_until:
        return Reason.PAUSED
    if instant > now:
        return None
    return _fate_of_due(schedule, now - instant, is_newest=instant == newest)


def _fate_of_due(schedule: Schedule, lateness: timedelta, *, is_newest: bool) -> Reason | None:
    is_missed = lateness >= ON_TIME
    is_too_late = is_missed and lateness > schedule.catch_up_window
    match schedule.missed_run_policy:
        case MissedRunPolicy.SKIP:
            return Reason.MISSED_WINDOW if is_missed else None
        case MissedRunPolicy.RUN_ALL:
            return Reason.MISSED_WINDOW if is_too_late else None
        case MissedRunPolicy.RUN_ONCE if is_too_late:
            return Reason.MISSED_WINDOW
        case MissedRunPolicy.RUN_ONCE:
            return None if is_newest else Reason.COALESCED


def _with_long_gap_as_one(
    schedule: Schedule, fates: Sequence[tuple[datetime, Reason | None]]
) -> tuple[PlannedPeriod, ...]:
    skipped = [(instant, reason) for instant, reason in fates if reason is not None]
    folded = skipped[: max(0, len(skipped) - MAX_SKIPPED_ROWS)]
    rows: list[PlannedPeriod] = []
    for reason, group in groupby(folded, key=lambda fate: fate[1]):
        members = list(group)
        rows.append(_period(schedule, members[0][0], reason, count=len(members)))
    gone = {instant for instant, _ in folded}
    rows.extend(_period(schedule, *fate) for fate in fates if fate[0] not in gone)
    return tuple(rows)


def _period(
    schedule: Schedule, instant: datetime, reason: Reason | None, *, count: int = 1
) -> PlannedPeriod:
    return PlannedPeriod(
        period_at=instant,
        not_before_at=instant + spread_offset(schedule.connector_public_id, schedule.spread),
        idempotency_key=scheduled_key(schedule.connector_public_id, instant),
        reason=reason,
        count=count,
    )
