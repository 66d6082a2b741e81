"""Pages of the log, newest first, by the filter of which an index leaves least to look at."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    literal_column,
    select,
)

from shared.domain.log_place import LogPlace
from shared.domain.run import RunStatus, TriggerType
from shared.domain.run_filter import RunFilter
from shared.store.engine import read_only, single_statements
from shared.store.history import select_runs
from shared.store.log_pages import Log, LogPage
from shared.store.tables import sync_log, sync_schedule, workspace_connector

_LOG = Log(sync_log.c.created_at, sync_log.c.id)


@dataclass(frozen=True, slots=True)
class RunScope:
    """A filter on the runs of a workspace, with the internal keys of what it names."""

    workspace_id: int
    wanted: RunFilter
    connector_id: int | None = None
    schedule_id: int | None = None


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
    connection: Connection, scope: RunScope, *, after: LogPlace | None, limit: int
) -> LogPage:
    """Return up to `limit` runs of a scope that come after a place, or from the newest on.

    On a connection of `snapshot_for`, so that all statements of a page see the same runs.
    """
    known, others = _conditions(scope)
    wanted = scope.wanted
    within = [*known, *_LOG.between(wanted.since, wanted.until, after)]
    return _LOG.read(connection, select_runs(scope.workspace_id), within, others, limit)


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
