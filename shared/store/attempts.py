"""A worker's way with one run: lease, heartbeat, record. Every write repeats its premise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from shared.domain.health import QUIET
from shared.domain.outcome import Outcome
from shared.domain.run import Reason
from shared.domain.task import TaskCall
from shared.store.rows import Row, to_json, to_records
from shared.store.runs import AdmittedRun, to_admitted_run
from shared.store.sql import load_sql


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording an attempt gave: the run's duration, and the run that has a place now.

    That is the run itself, if it goes on with another slice, or the next one of its workspace.
    """

    duration: timedelta | None
    to_enqueue: AdmittedRun | None


def lease_run(
    connection: Connection,
    call: TaskCall,
    *,
    lease: timedelta,
    early: timedelta,
    is_cold: bool,
    now: datetime | None,
) -> Row | None:
    """Try to take the lease; return the facts of the run, whose `fence` is None if refused.

    Returns None when there is no such run in that workspace. Call it in a transaction: the leases
    of a workspace happen one after the other until it ends. `is_cold` is noted with the run.
    """
    connection.execute(load_sql("lock_workspace_of_run"), {"run_id": call.run})
    parameters = {
        "run_id": call.run,
        "workspace": call.workspace,
        "generation": call.generation,
        "lease": lease,
        "early": early,
        "cold_start": is_cold,
        "now": now,
    }
    return connection.execute(load_sql("lease_run"), parameters).mappings().one_or_none()


def extend_lease(
    connection: Connection, run_id: int, fence: int, *, lease: timedelta, now: datetime | None
) -> bool:
    """Keep the lease for `lease` from now; return False when it is another worker's already."""
    parameters = {"run_id": run_id, "fence": fence, "lease": lease, "now": now}
    return connection.execute(load_sql("heartbeat_run"), parameters).one_or_none() is not None


def put_run_back(
    connection: Connection,
    run_id: int,
    reason: str,
    *,
    generation: int | None,
    now: datetime | None,
) -> None:
    """Let a run that may not start yet wait in the table; `generation` is of the task that came."""
    parameters = {"run_id": run_id, "reason": reason, "generation": generation, "now": now}
    connection.execute(load_sql("put_run_back"), parameters)


def skip_run(connection: Connection, run_id: int, reason: Reason, *, now: datetime | None) -> None:
    """End a run that may not start, or not again."""
    connection.execute(load_sql("skip_run"), {"run_id": run_id, "reason": reason, "now": now})


def record_outcome(
    connection: Connection,
    run_id: int,
    fence: int,
    outcome: Outcome,
    watermarks: Sequence[Mapping[str, object]],
    *,
    attempt: int,
    now: datetime | None,
) -> Recorded | None:
    """Record an attempt in one statement; None, and nothing written, if the fence was lost."""
    counts, verdict = outcome.counts, outcome.verdict
    parameters = {
        "run_id": run_id,
        "fence": fence,
        "status": outcome.status,
        "reason": outcome.reason,
        "error": outcome.error,
        "retry_in": outcome.retry_in,
        "processed": counts.processed if counts else None,
        "created": counts.created if counts else None,
        "updated": counts.updated if counts else None,
        "failed": counts.failed if counts else None,
        "goes_on": outcome.goes_on,
        "is_slice": outcome.goes_on or outcome.has_got_on,
        "is_throttled": outcome.is_throttled,
        "connector_held_for": outcome.connector_held_for,
        "positions": None if outcome.positions is None else to_json(outcome.positions),
        "attempts_spent": outcome.attempts_spent,
        "attempt": attempt,
        "metadata": to_json(outcome.metadata),
        "watermarks": to_records(watermarks),
        "streams": to_records(outcome.streams),
        "health": None if verdict is None else verdict.health,
        "health_reason": None if verdict is None else verdict.reason,
        "quiet": QUIET,
        "has_read_all": outcome.has_read_all,
        "shown_status": outcome.shown_status,
        "shown_error": outcome.shown_error,
        "kind": outcome.event,
        "detail": to_json(outcome.event_detail),
        "now": now,
    }
    row = connection.execute(load_sql("record_run"), parameters).mappings().one_or_none()
    if row is None:
        return None
    duration = None if row["duration_ms"] is None else timedelta(milliseconds=row["duration_ms"])
    to_enqueue = None if row["id"] is None else to_admitted_run(row)
    return Recorded(duration, to_enqueue)
