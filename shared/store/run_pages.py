"""Pages of the log, newest first, by the filter of which an index leaves least to look at."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    Subquery,
    and_,
    literal_column,
    select,
    tuple_,
)

from shared.domain.run import RunStatus, TriggerType
from shared.domain.run_filter import RunFilter, RunPlace
from shared.store.engine import read_only, single_statements
from shared.store.history import select_runs
from shared.store.rows import Row
from shared.store.tables import sync_log, sync_schedule, workspace_connector

MOST_LOOKED_AT = 5_000
"""How many runs one page looks at when no index knows the whole filter."""

_ORDER = (sync_log.c.created_at.desc(), sync_log.c.id.desc())


@dataclass(frozen=True, slots=True)
class RunScope:
    """A filter on the runs of a workspace, with the internal keys of what it names."""

    workspace_id: int
    wanted: RunFilter
    connector_id: int | None = None
    schedule_id: int | None = None


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs in order, and the place after which the next page begins, if there may be one.

    A page may have fewer runs than were asked for, or none, and a next one all the same: then it
    looked at as many runs as a page may.
    """

    rows: Sequence[Row]
    next_place: RunPlace | None


def find_scope(connection: Connection, workspace_id: int, wanted: RunFilter) -> RunScope | None:
    """Return the scope of a filter; None if it names what this workspace does not have.

    Deleted connectors count: their runs stay. Their schedules are gone with them.
    """
    connector_id = schedule_id = None
    if wanted.connector is not None:
        query = (
            select(workspace_connector.c.id)
            .where(workspace_connector.c.workspace_id == workspace_id)
            .where(workspace_connector.c.public_id == wanted.connector)
        )
        connector_id = connection.execute(query).scalar_one_or_none()
        if connector_id is None:
            return None
    if wanted.schedule is not None:
        query = (
            select(sync_schedule.c.id)
            .join(workspace_connector, workspace_connector.c.id == sync_schedule.c.connector_id)
            .where(workspace_connector.c.deleted_at.is_(None))
            .where(sync_schedule.c.workspace_id == workspace_id)
            .where(sync_schedule.c.public_id == wanted.schedule)
        )
        schedule_id = connection.execute(query).scalar_one_or_none()
        if schedule_id is None:
            return None
    return RunScope(workspace_id, wanted, connector_id, schedule_id)


@contextmanager
def snapshot_for(engine: Engine, scope: RunScope) -> Generator[Connection]:
    """Open what a page of a scope is read on: one snapshot, if it takes more than one statement."""
    _, others = _conditions(scope)
    with (read_only if others else single_statements)(engine) as connection:
        yield connection


def list_runs(
    connection: Connection, scope: RunScope, *, after: RunPlace | None, limit: int
) -> RunPage:
    """Return up to `limit` runs of a scope that come after a place, or from the newest on.

    On a connection of `snapshot_for`, so that all statements of a page see the same runs.
    """
    known, others = _conditions(scope)
    within = [*known, *_range(scope.wanted, after)]
    picked = _pick(within, others, limit + 1)
    page = select_runs(scope.workspace_id).join(picked, picked.c.id == sync_log.c.id)
    rows = connection.execute(page.order_by(*_ORDER)).mappings().all()
    if len(rows) > limit:
        last = rows[limit - 1]
        return RunPage(rows[:limit], RunPlace(last["created_at"], last["id"]))
    if not others:
        return RunPage(rows, None)
    return RunPage(rows, _frontier(connection, within))


def _conditions(
    scope: RunScope,
) -> tuple[list[ColumnElement[bool]], list[ColumnElement[bool]]]:
    """Return the conditions that one index knows, in the order of the log, and all others."""
    wanted = scope.wanted
    is_listed = and_(sync_log.c.workspace_id == scope.workspace_id, sync_log.c.deleted_at.is_(None))
    narrow: list[ColumnElement[bool]] = []
    common: list[ColumnElement[bool]] = []
    if scope.schedule_id is not None:
        narrow.append(sync_log.c.schedule_id == scope.schedule_id)
    if scope.connector_id is not None:
        narrow.append(sync_log.c.connector_id == scope.connector_id)
    if wanted.reason is not None:
        narrow.append(sync_log.c.reason == wanted.reason)
    # What most runs have is in no index. No parameters, which would hide from the planner that a
    # partial index holds these rows.
    if wanted.trigger is not None:
        has_trigger = sync_log.c.trigger_type == literal_column(f"'{wanted.trigger}'")
        (common if wanted.trigger is TriggerType.CLOUD_TASK else narrow).append(has_trigger)
    if wanted.status is not None:
        has_status = _has_status(wanted.status)
        (common if wanted.status is RunStatus.SUCCESS else narrow).append(has_status)
    return [is_listed, *narrow[:1]], [*narrow[1:], *common]


def _has_status(status: RunStatus) -> ColumnElement[bool]:
    has_status = sync_log.c.status == literal_column(f"'{status}'")
    return has_status if status.is_final else and_(has_status, sync_log.c.completed_at.is_(None))


def _range(wanted: RunFilter, after: RunPlace | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        conditions.append(sync_log.c.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(sync_log.c.created_at < wanted.until)
    if after is not None:
        place = tuple_(sync_log.c.created_at, sync_log.c.id)
        conditions.append(place < (after.created_at, after.key))
    return conditions


def _pick(
    within: Sequence[ColumnElement[bool]], others: Sequence[ColumnElement[bool]], limit: int
) -> Subquery:
    """Select the keys of a page; with other conditions, from a bounded number of runs."""
    if not others:
        return select(sync_log.c.id).where(*within).order_by(*_ORDER).limit(limit).subquery()
    looked_at = _looked_at(within).add_columns(and_(*others).label("is_wanted")).subquery()
    return (
        select(looked_at.c.id)
        .where(looked_at.c.is_wanted)
        .order_by(looked_at.c.created_at.desc(), looked_at.c.id.desc())
        .limit(limit)
        .subquery()
    )


def _looked_at(within: Sequence[ColumnElement[bool]]) -> Select[*tuple[Any, ...]]:
    return (
        select(sync_log.c.id, sync_log.c.created_at)
        .where(*within)
        .order_by(*_ORDER)
        .limit(MOST_LOOKED_AT)
    )


def _frontier(connection: Connection, within: Sequence[ColumnElement[bool]]) -> RunPlace | None:
    """Return the last place that a page looked at; None if it looked at all that there are."""
    last = _looked_at(within).offset(MOST_LOOKED_AT - 1).limit(1)
    row = connection.execute(last).one_or_none()
    return None if row is None else RunPlace(row.created_at, row.id)
