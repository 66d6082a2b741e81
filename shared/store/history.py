"""The history: one run with its timeline, and what a deletion leaves."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, select, union, update

from shared.store.rows import Row
from shared.store.tables import sync_log, sync_log_event, sync_schedule, workspace_connector

_FIRST_EVENTS = 50
_NEWEST_EVENTS = 450

_REPEATED = sync_log.alias("repeated")

_SHOWN = (
    sync_log.c.id,
    sync_log.c.workspace_connector_sync_log_id.label("public_id"),
    workspace_connector.c.public_id.label("connector_public_id"),
    workspace_connector.c.name.label("connector_name"),
    sync_schedule.c.public_id.label("schedule_public_id"),
    _REPEATED.c.workspace_connector_sync_log_id.label("retry_of_public_id"),
    sync_log.c.status,
    sync_log.c.reason,
    sync_log.c.trigger_type,
    sync_log.c.cloud_task_id,
    sync_log.c.idempotency_key,
    sync_log.c.period_at,
    sync_log.c.period_count,
    sync_log.c.last_period_at,
    sync_log.c.not_before_at,
    sync_log.c.attempt,
    sync_log.c.max_attempts,
    sync_log.c.slices,
    sync_log.c.next_attempt_at,
    sync_log.c.started_at,
    sync_log.c.completed_at,
    sync_log.c.duration_ms,
    sync_log.c.error,
    sync_log.c.records_processed,
    sync_log.c.records_created,
    sync_log.c.records_updated,
    sync_log.c.records_failed,
    sync_log.c.metadata,
    sync_log.c.created_at,
    sync_log.c.updated_at,
)


def find_run(connection: Connection, workspace_id: int, public_id: object) -> Row | None:
    """Return one run of a workspace."""
    query = select_runs(workspace_id).where(sync_log.c.workspace_connector_sync_log_id == public_id)
    return connection.execute(query).mappings().one_or_none()


def find_run_ids(
    connection: Connection, workspace_id: int, public_ids: Sequence[UUID]
) -> Collection[UUID]:
    """Return those of some public ids that runs of a workspace have."""
    column = sync_log.c.workspace_connector_sync_log_id
    query = select(column).where(column.in_(public_ids))
    return set(connection.execute(query.where(sync_log.c.workspace_id == workspace_id)).scalars())


def list_events(connection: Connection, workspace_id: int, run_id: int) -> Sequence[Row]:
    """Return the timeline of a run, oldest first: of a very long one its beginning and its end."""
    events = (
        select(
            sync_log_event.c.id,
            sync_log_event.c.happened_at,
            sync_log_event.c.kind,
            sync_log_event.c.detail,
        )
        .where(sync_log_event.c.workspace_id == workspace_id)
        .where(sync_log_event.c.run_id == run_id)
    )
    first = events.order_by(sync_log_event.c.id).limit(_FIRST_EVENTS).subquery()
    newest = events.order_by(sync_log_event.c.id.desc()).limit(_NEWEST_EVENTS).subquery()
    # A union leaves out what is in both.
    both = union(select(first), select(newest)).order_by("id")
    return connection.execute(both).mappings().all()


def detach_runs(connection: Connection, workspace_id: int, schedule_id: int, *, page: int) -> int:
    """Let up to `page` ended runs of a schedule name none any more; return how many.

    A history may have a million rows: to detach them all in the statement that deletes their
    schedule would hold up everything else of the workspace.
    """
    ended = (
        select(sync_log.c.id)
        .where(sync_log.c.workspace_id == workspace_id)
        .where(sync_log.c.schedule_id == schedule_id)
        .where(sync_log.c.completed_at.is_not(None))
        .order_by(sync_log.c.created_at.desc(), sync_log.c.id.desc())
        .limit(page)
    )
    query = update(sync_log).where(sync_log.c.id.in_(ended)).values(schedule_id=None)
    return connection.execute(query).rowcount


def select_runs(workspace_id: int) -> Select[*tuple[Any, ...]]:
    """Select what the API shows of the runs of a workspace; the order is the caller's."""
    return (
        select(*_SHOWN)
        .join(workspace_connector, workspace_connector.c.id == sync_log.c.connector_id)
        .outerjoin(sync_schedule, sync_schedule.c.id == sync_log.c.schedule_id)
        .outerjoin(_REPEATED, _REPEATED.c.id == sync_log.c.retry_of)
        .where(sync_log.c.workspace_id == workspace_id)
        .where(sync_log.c.deleted_at.is_(None))
    )
