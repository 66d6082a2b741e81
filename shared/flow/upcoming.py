"""Tell what will run in the next hours, page by page and in bounded work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import Engine

from shared.domain.access import Principal
from shared.domain.blackout import BlackoutWindow
from shared.domain.upcoming import Place, UpcomingPeriod, first_period, merged
from shared.store.blackouts import windows_of
from shared.store.engine import read_only
from shared.store.rows import Row
from shared.store.schedules import to_schedule
from shared.store.ticks import as_of
from shared.store.upcoming import has_more_than, list_by_next_period, list_waiting_runs

MAX_HOURS = 168
MOST_WAITING = 100
"""How many of the runs that wait already are told of."""
MOST_MERGED = 500
"""Up to how many schedules are looked into for more than their next period."""


@dataclass(frozen=True, slots=True)
class UpcomingPage:
    """What comes: the runs that wait already, on the first page, and the periods to come."""

    as_of: datetime
    until: datetime
    waiting: Sequence[Row]
    waiting_is_more: bool
    periods: Sequence[UpcomingPeriod]
    schedules: Mapping[int, Row]
    """By their internal keys, those of the periods."""
    next_place: Place | None


@dataclass(frozen=True, slots=True)
class UpcomingFrom:
    """Where a page goes on: behind a place, in the list that began at an instant."""

    place: Place
    until: datetime


def upcoming(
    engine: Engine,
    principal: Principal,
    *,
    horizon: timedelta,
    limit: int,
    after: UpcomingFrom | None = None,
    now: datetime | None = None,
) -> UpcomingPage:
    """Return up to `limit` periods that come within the horizon, soonest first.

    In a workspace with up to `MOST_MERGED` schedules that come within it, each schedule's periods
    are merged with the others' (see `merged`). Where there are more, each is there once, with its
    next period and the number of those that follow, so that a page costs the same at any depth.
    """
    workspace_id = principal.workspace_id
    with read_only(engine) as connection:
        at = as_of(connection, now)
        until = at + horizon if after is None else after.until
        place = None if after is None else after.place
        waiting: Sequence[Row] = ()
        if after is None:
            waiting = list_waiting_runs(
                connection, workspace_id, until=until, limit=MOST_WAITING + 1
            )
        windows = windows_of(connection, [workspace_id]).get(workspace_id, ())
        is_large = has_more_than(connection, workspace_id, until=until, count=MOST_MERGED)
        rows = list_by_next_period(
            connection,
            workspace_id,
            until=until,
            after=place if is_large else None,
            limit=limit + 1 if is_large else MOST_MERGED,
        )
    periods, next_place = (_once_each if is_large else _merged)(
        rows, windows, at, until, place, limit
    )
    return UpcomingPage(
        as_of=at,
        until=until,
        waiting=waiting[:MOST_WAITING],
        waiting_is_more=len(waiting) > MOST_WAITING,
        periods=periods,
        schedules={row["id"]: row for row in rows},
        next_place=next_place,
    )


_Found = tuple[Sequence[UpcomingPeriod], Place | None]


def _once_each(
    rows: Sequence[Row],
    windows: tuple[BlackoutWindow, ...],
    now: datetime,
    until: datetime,
    _place: Place | None,
    limit: int,
) -> _Found:
    shown = rows[:limit]
    found = [first_period(to_schedule(row, windows), now, until) for row in shown]
    periods = [period for period in found if period is not None]
    if len(rows) <= limit:
        return periods, None
    # Of the rows, not of the periods: a schedule that cannot be read has none.
    return periods, Place(shown[-1]["next_scheduled_at"], shown[-1]["id"])


def _merged(
    rows: Sequence[Row],
    windows: tuple[BlackoutWindow, ...],
    now: datetime,
    until: datetime,
    place: Place | None,
    limit: int,
) -> _Found:
    schedules = [to_schedule(row, windows) for row in rows]
    periods = list(islice(merged(schedules, now, until, place), limit + 1))
    if len(periods) <= limit:
        return periods, None
    last = periods[limit - 1]
    return periods[:limit], Place(last.period_at, last.schedule_key)
