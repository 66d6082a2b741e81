"""What the outlook of a schedule needs beside its settings, read in the same query."""

from typing import Any

from sqlalchemy import (
    FromClause,
    Select,
    and_,
    func,
    literal_column,
    select,
    text,
    union_all,
)

from shared.domain.outlook import ScheduleState, UnfinishedRun
from shared.domain.run import RunStatus
from shared.store.rows import Row
from shared.store.tables import sync_log, sync_schedule, workspace_connector


def _first(status: RunStatus) -> Select[*tuple[Any, ...]]:
    """Select the first run of a schedule's connector in this state, from its partial index."""
    return (
        select(
            sync_log.c.status,
            sync_log.c.period_at,
            sync_log.c.not_before_at,
            sync_log.c.admitted_at,
            sync_log.c.started_at,
            sync_log.c.attempt,
            sync_log.c.max_attempts,
            sync_log.c.reason,
        )
        .where(sync_log.c.connector_id == sync_schedule.c.connector_id)
        # Not a parameter, which would hide from the planner that the index holds these rows.
        .where(sync_log.c.status == literal_column(f"'{status}'"))
        .where(sync_log.c.deleted_at.is_(None))
        .order_by(sync_log.c.not_before_at, sync_log.c.id)
        .limit(1)
        .correlate(sync_schedule)
    )


def _unfinished() -> FromClause:
    both = union_all(_first(RunStatus.IN_PROGRESS), _first(RunStatus.SCHEDULED))
    # By name, "in_progress" comes before "scheduled".
    return both.order_by("status").limit(1).lateral("unfinished")


UNFINISHED_RUN = _unfinished()
"""To be joined, where there is one, to `sync_schedule`: at most one row."""

OUTLOOK_COLUMNS = (
    func.statement_timestamp().label("as_of"),
    func.coalesce(
        sync_schedule.c.planned_through,
        sync_schedule.c.next_scheduled_at - text("interval '1 microsecond'"),
        func.statement_timestamp(),
    ).label("planned_through"),
    and_(
        workspace_connector.c.deleted_at.is_(None), workspace_connector.c.status == "connected"
    ).label("connector_is_usable"),
    *(column.label(f"run_{column.name}") for column in UNFINISHED_RUN.c),
)
"""Columns of `sync_schedule`, `workspace_connector` and `UNFINISHED_RUN`."""


def to_schedule_state(row: Row) -> ScheduleState:
    """Read a row with `OUTLOOK_COLUMNS`."""
    return ScheduleState(
        is_enabled=row["is_enabled"],
        plan_error=row["plan_error"],
        pause_note=row["pause_note"],
        connector_status=row["connector_status"],
        run=None if row["run_status"] is None else _to_run(row),
    )


def _to_run(row: Row) -> UnfinishedRun:
    return UnfinishedRun(
        status=RunStatus(row["run_status"]),
        period_at=row["run_period_at"],
        not_before_at=row["run_not_before_at"],
        is_admitted=row["run_admitted_at"] is not None,
        started_at=row["run_started_at"],
        attempt=row["run_attempt"],
        max_attempts=row["run_max_attempts"],
        reason=row["run_reason"],
    )
