"""What will run in the next hours: the coming periods of schedules, merged in order."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import merge
from operator import attrgetter

from shared.domain.plan import PlannedPeriod, plan
from shared.domain.recurrence import Recurrence
from shared.domain.run import Reason
from shared.domain.schedule import Schedule, build_recurrence
from shared.errors import RecurrenceError

MOST_APART = 6
"""How many periods of a schedule are listed one by one; of more, the first stands for all."""
MOST_COUNTED = 100
"""Up to which number the periods of a schedule are counted."""


@dataclass(frozen=True, slots=True)
class UpcomingPeriod:
    """A period of a schedule, or the first of several; all instants are in UTC."""

    schedule_key: int
    """The internal key of the schedule; with `period_at` it is the order."""
    period_at: datetime
    starts_at: datetime | None
    """With spread, and moved by blackout windows; None when it is skipped."""
    reason: Reason | None
    """Why it is skipped."""
    count: int = 1
    """How many periods up to the end it stands for, at most `MOST_COUNTED`."""
    last_period_at: datetime | None = None
    """The last of those that were counted, if there is more than one."""

    @property
    def is_counted_whole(self) -> bool:
        """Tell whether `count` is all of them."""
        return self.count < MOST_COUNTED


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order of upcoming periods."""

    period_at: datetime
    schedule_key: int


def first_period(schedule: Schedule, now: datetime, until: datetime) -> UpcomingPeriod | None:
    """Return the first period of a schedule without a row, which stands for all up to `until`.

    None if it has none, or cannot be read: the next tick sets it aside then.
    """
    recurrence = _recurrence(schedule)
    if recurrence is None:
        return None
    return next(_several(schedule, recurrence, now, until, most_apart=1), None)


def merged(
    schedules: Iterable[Schedule], now: datetime, until: datetime, after: Place | None
) -> Iterator[UpcomingPeriod]:
    """Yield the periods of schedules up to `until` in order, from behind a place on.

    Each schedule is looked into only as far as the caller goes. One with more than `MOST_APART`
    periods is there once, where its first is, so that it does not drown the others.
    """
    streams = (_from(_periods(schedule, now, until), after) for schedule in schedules)
    return merge(*streams, key=attrgetter("period_at", "schedule_key"))


def _from(periods: Iterable[UpcomingPeriod], after: Place | None) -> Iterator[UpcomingPeriod]:
    for period in periods:
        place = (period.period_at, period.schedule_key)
        if after is None or place > (after.period_at, after.schedule_key):
            yield period


def _periods(schedule: Schedule, now: datetime, until: datetime) -> Iterator[UpcomingPeriod]:
    recurrence = _recurrence(schedule)
    if recurrence is not None:
        yield from _several(schedule, recurrence, now, until, most_apart=MOST_APART)


def _several(
    schedule: Schedule,
    recurrence: Recurrence,
    now: datetime,
    until: datetime,
    *,
    most_apart: int,
) -> Iterator[UpcomingPeriod]:
    mark = schedule.planned_through
    instants = recurrence.between(mark, until, most_apart + 1)
    if not instants:
        return
    is_collapsed = len(instants) > most_apart
    shown = 1 if is_collapsed else len(instants)
    # Decided as on time: what is late by then is not known now.
    decided = plan(schedule, recurrence, now, until - now, most=shown, single_skips=shown)
    for fate in decided.periods:
        period = _period(schedule, fate)
        if is_collapsed:
            counted = recurrence.between(mark, until, MOST_COUNTED)
            period = replace(period, count=len(counted), last_period_at=counted[-1])
        yield period


def _period(schedule: Schedule, fate: PlannedPeriod) -> UpcomingPeriod:
    return UpcomingPeriod(
        schedule_key=schedule.id,
        period_at=fate.period_at,
        starts_at=None if fate.reason else fate.not_before_at,
        reason=fate.reason,
    )


def _recurrence(schedule: Schedule) -> Recurrence | None:
    try:
        return build_recurrence(schedule.recurrence)
    except (RecurrenceError, ValueError):
        return None
