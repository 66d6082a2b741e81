"""Blackout windows of workspaces."""

import logging
from collections.abc import Mapping, Sequence
from itertools import groupby
from uuid import UUID

from sqlalchemy import BigInteger, Connection, any_, delete, insert, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from shared.domain.blackout import BlackoutWindow, DatedDays, WeeklyHours, is_readable
from shared.domain.blackout_rules import MAX_WINDOWS
from shared.logs import log_event
from shared.store.rows import Row
from shared.store.tables import blackout_window

_log = logging.getLogger(__name__)

_WINDOW = (
    blackout_window.c.name,
    blackout_window.c.timezone,
    blackout_window.c.days_of_week,
    blackout_window.c.starts_time,
    blackout_window.c.ends_time,
    blackout_window.c.first_day,
    blackout_window.c.last_day,
)
_PUBLIC = (
    blackout_window.c.public_id,
    *_WINDOW,
    blackout_window.c.created_at,
    blackout_window.c.updated_at,
)


def insert_window(
    connection: Connection,
    workspace_id: int,
    window: BlackoutWindow,
    *,
    public_id: UUID | None = None,
) -> Row:
    """Insert a window and return its row; the table's own checks speak for the rules."""
    values: dict[str, object] = {
        "workspace_id": workspace_id,
        "name": window.name,
        "timezone": window.timezone,
    }
    match window.hours:
        case WeeklyHours(days=days, starts=starts, ends=ends):
            values |= {"days_of_week": sorted(days), "starts_time": starts, "ends_time": ends}
        case DatedDays(first=first, last=last):
            values |= {"first_day": first, "last_day": last}
    if public_id is not None:
        values["public_id"] = public_id
    query = insert(blackout_window).values(values).returning(*_PUBLIC)
    return connection.execute(query).mappings().one()


def find_window(connection: Connection, workspace_id: int, public_id: UUID) -> Row | None:
    """Return one window of a workspace."""
    query = (
        select(*_PUBLIC)
        .where(blackout_window.c.workspace_id == workspace_id)
        .where(blackout_window.c.public_id == public_id)
    )
    return connection.execute(query).mappings().one_or_none()


def list_windows(connection: Connection, workspace_id: int) -> Sequence[Row]:
    """Return the windows of a workspace, oldest first."""
    query = (
        select(*_PUBLIC)
        .where(blackout_window.c.workspace_id == workspace_id)
        .order_by(blackout_window.c.id)
        .limit(MAX_WINDOWS)
    )
    return connection.execute(query).mappings().all()


def windows_of(
    connection: Connection, workspace_ids: Sequence[int]
) -> Mapping[int, tuple[BlackoutWindow, ...]]:
    """Return the windows of many workspaces, oldest first; one without windows is left out.

    A window that cannot be read holds nothing back, and is reported in the log: it must not stop
    its workspace's schedules.
    """
    wanted = literal(list(workspace_ids), ARRAY(BigInteger))
    query = (
        select(blackout_window.c.workspace_id, *_WINDOW)
        .where(blackout_window.c.workspace_id == any_(wanted))
        .order_by(blackout_window.c.workspace_id, blackout_window.c.id)
        .limit(MAX_WINDOWS * len(workspace_ids))
    )
    rows = [row for row in connection.execute(query).mappings() if _is_readable(row)]
    return {
        workspace_id: tuple(map(to_window, group))
        for workspace_id, group in groupby(rows, key=lambda row: row["workspace_id"])
    }


def _is_readable(row: Row) -> bool:
    if is_readable(to_window(row)):
        return True
    log_event(
        _log,
        logging.WARNING,
        "blackout_window_unreadable",
        "A blackout window names a time zone that is not there, and holds nothing back",
        workspace_id=row["workspace_id"],
        window=row["name"],
        timezone=row["timezone"],
    )
    return False


def delete_window(connection: Connection, workspace_id: int, public_id: UUID) -> Row | None:
    """Delete a window and return it; None if the workspace has no such window."""
    query = (
        delete(blackout_window)
        .where(blackout_window.c.workspace_id == workspace_id)
        .where(blackout_window.c.public_id == public_id)
    )
    return connection.execute(query.returning(*_PUBLIC)).mappings().one_or_none()


def to_window(row: Row) -> BlackoutWindow:
    """Read a row."""
    if row["days_of_week"] is None:
        hours = DatedDays(row["first_day"], row["last_day"])
    else:
        hours = WeeklyHours(frozenset(row["days_of_week"]), row["starts_time"], row["ends_time"])
    return BlackoutWindow(row["name"], row["timezone"], hours)
