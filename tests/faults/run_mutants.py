"""Ways to do without what protects a run: lease, fence, record, heartbeat, cancel and pause."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from shared.domain.outcome import Outcome
from shared.domain.retry import Retry, decide_retry
from shared.flow import attempt
from shared.flow import record as record_flow
from shared.flow import sync as sync_flow
from shared.flow.heartbeat import Heartbeat, Hold
from shared.store import attempts, cancel
from shared.store.attempts import Recorded
from shared.store.rows import to_json, to_records
from tests.faults.mutations import Patch, change_sql

_MOVE_WATERMARKS = """
INSERT INTO sync_watermark (connector_id, stream, workspace_id, cursor, value, run_id)
SELECT r.connector_id, m.stream, r.workspace_id, m.cursor, m.value, r.id
FROM workspace_connector_sync_log AS r
CROSS JOIN jsonb_to_recordset(CAST(:watermarks AS jsonb)) AS m (
    stream text, cursor text, value jsonb
)
WHERE r.id = :run_id
ON CONFLICT (connector_id, stream) DO UPDATE SET value = excluded.value, run_id = excluded.run_id
"""
_MOVE_POSITIONS = """
UPDATE workspace_connector_sync_log SET positions = CAST(:positions AS jsonb) WHERE id = :run_id
"""


def beat_without_fence(patch: Patch) -> None:
    """Let a worker keep the lease of whoever has its run, and take it for its own."""
    change_sql(patch, attempts, "heartbeat_run", r" AND fence = :fence")


def record_without_fence(patch: Patch) -> None:
    """Let a worker record a run that is in progress, whoever has it."""
    change_sql(patch, attempts, "record_run", r" AND r\.fence = :fence")


def lease_without_new_fence(patch: Patch) -> None:
    """Let each lease have the fence that the row had."""
    change_sql(patch, attempts, "lease_run", r"fence = r\.fence \+ 1", "fence = r.fence")


def lease_what_is_in_progress(patch: Patch) -> None:
    """Let a task that is delivered twice take the run from the worker that has it."""
    change_sql(patch, attempts, "lease_run", r"\bAND r\.status = 'scheduled'")


def lease_beside_another_run(patch: Patch) -> None:
    """Let a run start while another one of its connector is in progress."""
    change_sql(patch, attempts, "lease_run", r"AND NOT f\.overlaps")


def lease_without_room(patch: Patch) -> None:
    """Let a run start while its workspace has as many in progress as it may."""
    change_sql(patch, attempts, "lease_run", r"AND f\.has_room")


def beat_never(patch: Patch) -> None:
    """Let a worker have its lease once, however long it takes."""
    patch(Heartbeat, "beat_until_stopped", lambda _: None)


def beat_for_ever(patch: Patch) -> None:
    """Let a worker that hangs keep its lease."""

    def hold(*values: Any) -> Hold:
        return replace(Hold(*values), longest=timedelta(days=1))

    patch(attempt, "Hold", hold)


def leave_lost_syncs_connected(patch: Patch) -> None:
    """Let a worker keep the connections of a sync whose lease it found gone."""
    beat = attempt.heartbeat
    patch(attempt, "heartbeat", lambda engine, hold, _on_lost: beat(engine, hold, lambda: None))


def move_the_watermark_beside_the_record(patch: Patch) -> None:
    """Commit the watermark in a transaction of its own, before the record."""
    record = record_flow.record_outcome

    def move_and_record(
        connection: Connection,
        run_id: int,
        fence: int,
        outcome: Outcome,
        watermarks: Sequence[Mapping[str, object]],
        *,
        attempt: int,
        now: datetime | None,
    ) -> Recorded | None:
        values = {"run_id": run_id, "watermarks": to_records(watermarks)}
        connection.execute(text(_MOVE_WATERMARKS), values)
        return record(connection, run_id, fence, outcome, (), attempt=attempt, now=now)

    patch(record_flow, "record_outcome", move_and_record)


def move_the_positions_beside_the_record(patch: Patch) -> None:
    """Commit how far a slice has read in a transaction of its own, before the record."""
    record = record_flow.record_outcome

    def move_and_record(
        connection: Connection, run_id: int, fence: int, outcome: Outcome, *rest: Any, **named: Any
    ) -> Recorded | None:
        if outcome.positions is not None:
            values = {"run_id": run_id, "positions": to_json(outcome.positions)}
            connection.execute(text(_MOVE_POSITIONS), values)
        return record(connection, run_id, fence, outcome, *rest, **named)

    patch(record_flow, "record_outcome", move_and_record)


def record_what_has_ended(patch: Patch) -> None:
    """Let a worker record a run that is not in progress any more, under a fence that holds."""
    change_sql(patch, attempts, "record_run", r"r\.status = 'in_progress' AND (?=r\.fence)")


def cancel_without_new_fence(patch: Patch) -> None:
    """Leave a cancelled run the fence of the worker that is at it."""
    change_sql(patch, cancel, "cancel_runs", r"fence = r\.fence \+ 1,")


def cancel_without_new_generation(patch: Patch) -> None:
    """Leave a cancelled run the generation of the task that is on its way."""
    change_sql(patch, cancel, "cancel_runs", r"task_generation = r\.task_generation \+ 1,")


def lease_by_a_stale_task(patch: Patch) -> None:
    """Let a task that a newer one replaced start its run."""
    current = r"\(r\.task_generation <> CAST\(:generation AS integer\)\) IS NOT TRUE"
    change_sql(patch, attempts, "lease_run", rf"AND {current}")


def put_back_by_a_stale_task(patch: Patch) -> None:
    """Let a task that a newer one replaced send its run back to wait, and so that one too."""
    change_sql(
        patch,
        attempts,
        "put_run_back",
        r"AND task_generation = coalesce\(CAST\(:generation AS integer\), task_generation\)",
    )


def lease_in_a_pause(patch: Patch) -> None:
    """Let a run start while its connector's provider wants to be left alone by another one."""
    held = r"o\.connector_held_until > \(SELECT at FROM instant\)"
    change_sql(patch, attempts, "lease_run", held, "false")


def forget_the_pause(patch: Patch) -> None:
    """Try a source again that asked for a pause as if it had only failed."""

    def decide_without(
        identity: str, attempt: int, most: int, _retry_after: timedelta | None, **rest: Any
    ) -> Retry | None:
        return decide_retry(identity, attempt, most, None, **rest)

    patch(sync_flow, "decide_retry", decide_without)


def require_no_progress(patch: Patch) -> None:
    """Let a source be read on and on that stands still."""
    patch(sync_flow, "require_progress", lambda *_: None)
