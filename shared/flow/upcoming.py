"""Tell what will run in the next hours, page by page and in bounded work."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import Connection, Engine

from shared.domain.access import Principal
from shared.domain.blackout import BlackoutWindow
from shared.domain.schedule import Schedule
from shared.domain.upcoming import Place, UpcomingPeriod, first_period, merged
from shared.store.blackouts import windows_of
from shared.store.engine import read_only
from shared.store.rows import Row
from shared.store.schedules import to_schedule
from shared.store.ticks import as_of
from shared.store.upcoming import (
    has_more_than,
    list_by_next_period,
    list_waiting_runs,
    walk_by_next_period,
)

MAX_HOURS = 168
MOST_WAITING = 100
"""How many of the runs that wait already are told of."""
MOST_MERGED = 200
"""Up to how many schedules are looked into for more than their next period."""
_LONGEST = timedelta(hours=MAX_HOURS)


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
    workspace_id, is_first = principal.workspace_id, after is None
    with read_only(engine) as connection:
        at = as_of(connection, now)
        until = at + horizon if after is None else min(after.until, at + _LONGEST)
        waiting: Sequence[Row] = ()
        if is_first:
            waiting = list_waiting_runs(
                connection, workspace_id, until=until, limit=MOST_WAITING + 1
            )
        windows = windows_of(connection, [workspace_id]).get(workspace_id, ())
        place = None if after is None else after.place
        asked = _Asked(workspace_id, windows, at, until, place, limit)
        is_large = has_more_than(connection, workspace_id, until=until, count=MOST_MERGED)
        found = (_once_each if is_large else _merged)(connection, asked)
    return UpcomingPage(
        as_of=at,
        until=until,
        waiting=waiting[:MOST_WAITING],
        waiting_is_more=len(waiting) > MOST_WAITING,
        periods=found.periods,
        schedules=found.schedules,
        next_place=found.next_place,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which page: of whose schedules, as of when, up to when, and from where on."""

    workspace_id: int
    windows: tuple[BlackoutWindow, ...]
    now: datetime
    until: datetime
    place: Place | None
    limit: int


@dataclass(frozen=True, slots=True)
class _Found:
    periods: Sequence[UpcomingPeriod]
    schedules: Mapping[int, Row]
    next_place: Place | None


def _once_each(connection: Connection, asked: _Asked) -> _Found:
    rows = list_by_next_period(
        connection,
        asked.workspace_id,
        until=asked.until,
        after=asked.place,
        limit=asked.limit + 1,
    )
    shown = rows[: asked.limit]
    schedules = [to_schedule(row, asked.windows) for row in shown]
    found = [first_period(schedule, asked.now, asked.until) for schedule in schedules]
    periods = [period for period in found if period is not None]
    by_key = {row["id"]: row for row in shown}
    if len(rows) <= asked.limit:
        return _Found(periods, by_key, None)
    # Of the rows, not of the periods: a schedule that cannot be read has none.
    return _Found(periods, by_key, Place(shown[-1]["next_scheduled_at"], shown[-1]["id"]))


def _merged(connection: Connection, asked: _Asked) -> _Found:
    rows: dict[int, Row] = {}

    def schedules() -> Iterator[tuple[datetime, Schedule]]:
        for row in walk_by_next_period(
            connection,
            asked.workspace_id,
            until=asked.until,
            through=asked.place,
            most=MOST_MERGED,
            page=asked.limit + 1,
        ):
            rows[row["id"]] = row
            yield row["next_scheduled_at"], to_schedule(row, asked.windows)

    coming = merged(schedules(), asked.now, asked.until, asked.place)
    periods = list(islice(coming, asked.limit + 1))
    if len(periods) <= asked.limit:
        return _Found(periods, rows, None)
    last = periods[asked.limit - 1]
    return _Found(periods[: asked.limit], rows, Place(last.period_at, last.schedule_key))
