"""The next run of a schedule that has no row yet: the planner's own answer, asked ahead of time."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.blackout import blackout_at, held_since
from shared.domain.plan import ON_TIME, PlannedPeriod, newest_due, plan
from shared.domain.recurrence import Recurrence
from shared.domain.run import Reason
from shared.domain.schedule import UNTIL_RESUMED, MissedRunPolicy, Schedule

_MOST_STEPS = 50
_SMALLEST = timedelta(microseconds=1)
_END = UNTIL_RESUMED - timedelta(days=2)
"""Beyond it a start with spread, in a zone ahead of UTC, leaves the calendar."""


@dataclass(frozen=True, slots=True)
class Search:
    """What looking for the next run found."""

    run: PlannedPeriod | None
    last_in_blackout_at: datetime | None = None
    """Without a run: the last period that was looked at, if blackouts skip them all."""


def find_next_run(schedule: Schedule, recurrence: Recurrence, now: datetime) -> Search:
    """Find the first period without a row that the planner does not skip.

    It lies before `now` only if planning is late. The search looks beyond a pause and about 50
    blackouts. Raises `RecurrenceError` where planning does.
    """
    overdue = _find_overdue(schedule, recurrence, now)
    if overdue is not None:
        return Search(overdue)
    mark, last_in_blackout_at = max(now, schedule.planned_through), None
    for _ in range(_MOST_STEPS):
        period = _next_period(schedule, recurrence, now, mark)
        if period is None:
            return Search(None)
        if period.reason is None:
            return Search(period)
        last_in_blackout_at = period.period_at
        mark = max(period.period_at, _leap(schedule, recurrence, period))
    return Search(None, last_in_blackout_at)


def _find_overdue(
    schedule: Schedule, recurrence: Recurrence, now: datetime
) -> PlannedPeriod | None:
    """Return the first run with which the next tick catches up, if planning is late."""
    first = recurrence.next_after(schedule.planned_through)
    if first is None or first > now:
        return None
    if schedule.missed_run_policy is MissedRunPolicy.RUN_ALL:
        reach = now - max(schedule.catch_up_window, ON_TIME)
        # What a blackout held back is as late as that blackout's end.
        oldest = max(first, held_since(schedule.blackouts, reach))
    else:
        oldest = newest_due(schedule, recurrence, now)
        if oldest is None:
            return None
    mark = oldest - _SMALLEST
    late = plan(replace(schedule, planned_through=mark), recurrence, now, timedelta(0))
    return next((period for period in late.periods if period.reason is None), None)


def _next_period(
    schedule: Schedule, recurrence: Recurrence, now: datetime, mark: datetime
) -> PlannedPeriod | None:
    """Return the first period after `mark` with its fate."""
    marked = replace(schedule, planned_through=mark)
    decided = plan(marked, recurrence, now, _END - now, most=1)
    return next(iter(decided.periods), None)


def _leap(schedule: Schedule, recurrence: Recurrence, skipped: PlannedPeriod) -> datetime:
    """Return the mark to go on from, before which no period after a skipped one can run."""
    if skipped.reason is Reason.PAUSED and schedule.paused_until is not None:
        return schedule.paused_until - _SMALLEST
    blackout = blackout_at(schedule.blackouts, skipped.period_at)
    if blackout is None or blackout.ends_at is None:
        return skipped.period_at
    # Of the periods in one blackout at most the last runs, when it ends.
    last = recurrence.previous_before(blackout.ends_at)
    return skipped.period_at if last is None else last - _SMALLEST
