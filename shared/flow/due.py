"""Tell which connectors are due at an instant: read only, page by page, in the planner's words."""

import logging
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Engine

from shared.domain.blackout import BlackoutWindow
from shared.domain.due import DueConnector, due_period, has_period_in, minute_of
from shared.domain.schedule import build_recurrence
from shared.errors import RecurrenceError
from shared.logs import log_event
from shared.store.blackouts import windows_of
from shared.store.due import list_timings, read_schedules
from shared.store.engine import read_only
from shared.store.rows import Row
from shared.store.schedules import to_recurrence_fields, to_schedule

_log = logging.getLogger(__name__)
_PAGE = 2_000


def connectors_due_at(
    engine: Engine, instant: datetime, *, workspace_id: int | None = None, after_key: int = 0
) -> Iterator[DueConnector]:
    """Yield the connectors that are due at an aware instant, past or future, oldest schedule first.

    A schedule is due when one of its periods falls into the minute of the instant: `0 2 * * *` at
    02:00 and at 02:00:59, not at 02:01. Schedules, pauses and windows are taken as they are now.
    Not due are schedules that are disabled, manual, realtime or set aside; periods that are paused
    or that a blackout window skips; connectors that are deleted or not connected, and those of
    deleted workspaces. A period that a window moves is due, and starts at the window's end.

    Each page is a transaction of its own that is over before anything of it is yielded: slow
    readers hold no connection, and memory does not grow with the schedules. Nothing is locked. A
    schedule that cannot be read is reported in the log (`schedule_unreadable`) and stops nothing.
    None stands for all workspaces; `after_key` continues after a connector's `key`. Raises
    `ValueError` for a naive instant.
    """
    return _walk(engine, minute_of(instant), workspace_id, after_key)


def _walk(
    engine: Engine, minute: datetime, workspace_id: int | None, after_key: int
) -> Iterator[DueConnector]:
    while True:
        with read_only(engine) as connection:
            timings = list_timings(connection, workspace_id, after_id=after_key, limit=_PAGE)
            # Few of them are worth the other columns.
            ids = [row["id"] for row in timings if _may_be_due(row, minute)]
            rows = read_schedules(connection, ids) if ids else ()
            workspaces = sorted({row["workspace_id"] for row in rows})
            blackouts = windows_of(connection, workspaces) if workspaces else {}
        for row in rows:
            due = _decide(row, blackouts.get(row["workspace_id"], ()), minute)
            if due is not None:
                yield due
        if len(timings) < _PAGE:
            return
        after_key = timings[-1]["id"]


def _may_be_due(timing: Row, minute: datetime) -> bool:
    try:
        recurrence = build_recurrence(to_recurrence_fields(timing))
        return recurrence is not None and has_period_in(recurrence, minute)
    except (RecurrenceError, ValueError):
        # Reported by the second look, which knows whose it is.
        return True


def _decide(
    row: Row, blackouts: tuple[BlackoutWindow, ...], minute: datetime
) -> DueConnector | None:
    try:
        schedule = to_schedule(row, blackouts)
        recurrence = build_recurrence(schedule.recurrence)
        period = None if recurrence is None else due_period(schedule, recurrence, minute)
    except (RecurrenceError, ValueError) as error:
        _warn(row, error)
        return None
    if period is None:
        return None
    return DueConnector(
        key=row["id"],
        workspace_slug=row["workspace_slug"],
        workspace_public_id=row["workspace_public_id"],
        connector_id=row["connector_public_id"],
        connector_name=row["connector_name"],
        connector_type=row["connector_type"],
        schedule_id=row["public_id"],
        period_at=period.period_at,
        starts_at=period.not_before_at,
    )


def _warn(row: Row, error: Exception) -> None:
    log_event(
        _log,
        logging.WARNING,
        "schedule_unreadable",
        "A schedule cannot be read, so that nobody knows when it is due",
        schedule_id=row["public_id"],
        workspace=row["workspace_slug"],
        reason=str(error),
    )
