"""Runs on their way to a worker: admission, tasks, rescue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, insert, select

from shared.domain.retry import backoff, identity_of
from shared.domain.run import TriggerType
from shared.store.rows import Row, to_records
from shared.store.sql import load_sql
from shared.store.tables import sync_log, sync_log_event


@dataclass(frozen=True, slots=True)
class AdmittedRun:
    """A run that holds a place of its workspace and wants a task."""

    id: int
    workspace_id: int
    workspace_public_id: UUID
    public_id: UUID
    idempotency_key: str
    generation: int
    trigger_type: TriggerType
    not_before_at: datetime


@dataclass(frozen=True, slots=True)
class TakenTask:
    """A task that Cloud Tasks took: of which run and generation, and its full name."""

    run_id: int
    generation: int
    name: str


def to_admitted_run(row: Row) -> AdmittedRun:
    """Read a row that admission returns."""
    return AdmittedRun(
        id=row["id"],
        workspace_id=row["workspace_id"],
        workspace_public_id=row["workspace_public_id"],
        public_id=row["public_id"],
        idempotency_key=row["idempotency_key"],
        generation=row["task_generation"],
        trigger_type=TriggerType(row["trigger_type"]),
        not_before_at=row["not_before_at"],
    )


def admit_runs(
    connection: Connection,
    *,
    now: datetime,
    horizon: datetime,
    page: int,
    workspace_id: int | None = None,
) -> Sequence[AdmittedRun]:
    """Give up to `page` runs that start by `horizon` the free places of their workspaces.

    Returns them in the order in which they want their tasks: interactive ones first, and the first
    of each workspace before the second of any.
    """
    parameters = {"now": now, "horizon": horizon, "page": page, "workspace_id": workspace_id}
    rows = connection.execute(load_sql("admit_runs"), parameters).mappings().all()
    return [to_admitted_run(row) for row in sorted(rows, key=_urgency)]


def _urgency(row: Row) -> tuple[bool, int, datetime, int]:
    is_interactive = TriggerType(row["trigger_type"]).is_interactive
    return not is_interactive, row["place"], row["not_before_at"], row["id"]


def runs_wanting_a_task(
    connection: Connection, *, now: datetime, patience: timedelta, page: int
) -> Sequence[AdmittedRun]:
    """Return runs that were admitted before `now - patience` and have no confirmed task."""
    parameters = {"now": now, "patience": patience, "page": page}
    rows = connection.execute(load_sql("runs_wanting_a_task"), parameters).mappings()
    return [to_admitted_run(row) for row in rows]


def mark_enqueued(connection: Connection, tasks: Sequence[TakenTask], now: datetime | None) -> None:
    """Note which tasks Cloud Tasks took."""
    records = [
        {"run_id": task.run_id, "generation": task.generation, "cloud_task_id": task.name}
        for task in tasks
    ]
    connection.execute(load_sql("mark_enqueued"), {"tasks": to_records(records), "now": now})


def rescue_lost_tasks(
    connection: Connection, *, now: datetime, patience: timedelta, page: int
) -> int:
    """Make runs whose task did not come want a new one; return how many."""
    parameters = {"now": now, "patience": patience, "page": page}
    return len(connection.execute(load_sql("rescue_lost_tasks"), parameters).all())


def rescue_expired_leases(
    connection: Connection, *, now: datetime, patience: timedelta, page: int
) -> int:
    """Take back up to `page` runs whose worker fell silent; return how many.

    A run whose newest attempt began more than `patience` ago ends; others are tried again, each
    after the wait of the attempt that failed.
    """
    expired = connection.execute(load_sql("expired_leases"), {"now": now, "page": page}).mappings()
    waits = [
        {
            "run_id": run["id"],
            "fence": run["fence"],
            "wait": _seconds(backoff(identity_of(run["public_id"], run["slices"]), run["attempt"])),
        }
        for run in expired
    ]
    if not waits:
        return 0
    parameters = {"now": now, "patience": patience, "waits": to_records(waits)}
    return len(connection.execute(load_sql("rescue_expired_leases"), parameters).all())


def _seconds(wait: timedelta) -> str:
    return f"{wait.total_seconds()} seconds"


def insert_interactive_run(
    connection: Connection, values: dict[str, Any], detail: Mapping[str, object] | None = None
) -> RowMapping:
    """Insert a run that no schedule named, with its first event; return its keys.

    `detail` is what the timeline says beside the trigger.
    """
    [row] = insert_interactive_runs(connection, [values], detail)
    return row


def insert_interactive_runs(
    connection: Connection,
    values: Sequence[dict[str, Any]],
    detail: Mapping[str, object] | None = None,
) -> Sequence[RowMapping]:
    """Insert runs alike, with the same columns each; the keys come in no order."""
    query = insert(sync_log).values(values)
    inserted = query.returning(
        sync_log.c.id,
        _PUBLIC_ID,
        sync_log.c.workspace_id,
        sync_log.c.not_before_at,
        sync_log.c.trigger_type,
    )
    rows = connection.execute(inserted).mappings().all()
    events = [
        {
            "workspace_id": row["workspace_id"],
            "run_id": row["id"],
            "happened_at": row["not_before_at"],
            "kind": "requested",
            "detail": {"trigger_type": row["trigger_type"], **(detail or {})},
        }
        for row in rows
    ]
    connection.execute(insert(sync_log_event).values(events))
    return rows


def find_run_of_key(connection: Connection, idempotency_key: str) -> int | None:
    """Return the internal key of the run with an idempotency key, if there is one."""
    query = select(sync_log.c.id).where(sync_log.c.idempotency_key == idempotency_key)
    return connection.execute(query).scalar_one_or_none()


def find_active_run(
    connection: Connection, workspace_id: int, connector_id: int, *, now: datetime
) -> UUID | None:
    """Return the public id of the run that keeps others of the connector from starting.

    It is in progress, between two slices, put off by the provider, or asked for by a person.
    """
    return find_active_runs(connection, workspace_id, [connector_id], now=now).get(connector_id)


def find_active_runs(
    connection: Connection, workspace_id: int, connector_ids: Sequence[int], *, now: datetime
) -> Mapping[int, UUID]:
    """Return by connector what `find_active_run` returns, without those that have none."""
    parameters = {"workspace_id": workspace_id, "connector_ids": list(connector_ids), "now": now}
    rows = connection.execute(load_sql("find_active_runs"), parameters)
    return {row.connector_id: row.run for row in rows}


def runs_yet_to_start(
    connection: Connection, workspace_id: int, *, now: datetime, page: int
) -> Sequence[RowMapping]:
    """Lock up to `page` runs of a workspace that start after `now`, though they are due by then.

    Those for periods up to `now`, and those for what sources reported, which have none.
    """
    parameters = {"workspace_id": workspace_id, "now": now, "page": page}
    return connection.execute(load_sql("runs_yet_to_start"), parameters).mappings().all()


def move_starts(connection: Connection, starts: Mapping[int, datetime], *, now: datetime) -> int:
    """Let runs, by their keys, start at other instants unless they started; return how many."""
    records = [{"run_id": run, "not_before_at": at} for run, at in starts.items()]
    parameters = {"starts": to_records(records), "now": now}
    return len(connection.execute(load_sql("move_starts"), parameters).all())


def skip_overlapping(connection: Connection, *, now: datetime, page: int) -> int:
    """Skip up to `page` waiting runs whose connector is still busy; return how many."""
    parameters = {"now": now, "page": page}
    return len(connection.execute(load_sql("skip_overlapping"), parameters).all())


_PUBLIC_ID = sync_log.c.workspace_connector_sync_log_id.label("public_id")
