"""What will run in the next hours: the coming periods of schedules, merged in order."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import heappop, heappush

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


_Waiting = tuple[datetime, int, UpcomingPeriod, Iterator[UpcomingPeriod]]
"""The next period of a schedule in the order of a heap, and those after it."""


def first_period(schedule: Schedule, now: datetime, until: datetime) -> UpcomingPeriod | None:
    """Return the first period of a schedule without a row, which stands for all up to `until`.

    None if it has none, or cannot be read: the next tick sets it aside then.
    """
    return next(_several(schedule, now, until, None, most_apart=1), None)


def merged(
    schedules: Iterable[tuple[datetime, Schedule]],
    now: datetime,
    until: datetime,
    after: Place | None,
) -> Iterator[UpcomingPeriod]:
    """Yield the periods of schedules up to `until` in order, from behind a place on.

    The schedules come with their next periods, in the order of these; none is asked for before its
    turn. One with more than `MOST_APART` periods is there once, where its first is, so that it does
    not drown the others.
    """
    waiting: list[_Waiting] = []
    for next_at, schedule in schedules:
        yield from _before(waiting, (next_at, schedule.id))
        _wait(waiting, _several(schedule, now, until, after, most_apart=MOST_APART))
    yield from _before(waiting, None)


def _before(
    waiting: list[_Waiting], place: tuple[datetime, int] | None
) -> Iterator[UpcomingPeriod]:
    """Take what comes before a place, or all that there is."""
    while waiting and (place is None or waiting[0][:2] < place):
        *_, period, following = heappop(waiting)
        yield period
        _wait(waiting, following)


def _wait(waiting: list[_Waiting], periods: Iterator[UpcomingPeriod]) -> None:
    period = next(periods, None)
    if period is not None:
        heappush(waiting, (period.period_at, period.schedule_key, period, periods))


def _several(
    schedule: Schedule,
    now: datetime,
    until: datetime,
    after: Place | None,
    *,
    most_apart: int,
) -> Iterator[UpcomingPeriod]:
    recurrence, mark = _recurrence(schedule), schedule.planned_through
    if recurrence is None:
        return
    instants = recurrence.between(mark, until, most_apart + 1)
    is_collapsed = len(instants) > most_apart
    shown = instants[:1] if is_collapsed else instants
    if not shown or not _is_after(shown[-1], schedule.id, after):
        return
    # Decided as on time: what is late by then is not known now.
    count = len(shown)
    decided = plan(schedule, recurrence, now, until - now, most=count, single_skips=count)
    for fate in decided.periods:
        period = _period(schedule, fate)
        if is_collapsed:
            counted = recurrence.between(mark, until, MOST_COUNTED)
            period = replace(period, count=len(counted), last_period_at=counted[-1])
        if _is_after(period.period_at, schedule.id, after):
            yield period


def _is_after(instant: datetime, schedule_key: int, place: Place | None) -> bool:
    return place is None or (instant, schedule_key) > (place.period_at, place.schedule_key)


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
