"""What protects the ledger and the datasets, and how to do without each: the suite's mutants.

A mutant is a function that breaks the code of the process it is called in (`Plan.mutants`), SQL
that takes away what the database itself refuses, or both. A protection that is there twice, in a
real load and in that of the connector that keeps books, has one for each.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import Connection, text

from shared.connectors import turn
from shared.connectors.base import ConfirmLease, SyncRequest
from shared.connectors.watermarks import encode
from shared.crash_points import CrashPoint, reach
from shared.domain.outcome import Outcome
from shared.domain.plan import Plan
from shared.domain.run import task_id
from shared.domain.schedule import Schedule
from shared.flow import attempt, enqueue, rescue
from shared.flow import plan as plan_flow
from shared.flow import record as record_flow
from shared.flow.heartbeat import Heartbeat, Hold
from shared.store import attempts, runs, schedules
from shared.store.attempts import Recorded
from shared.store.rows import to_records
from shared.store.sql import load_sql
from tests.faults import ledger_connector
from tests.faults.ledger_connector import CURSOR, STREAM, LedgerConnector, Page, Place
from tests.faults.world import World, open_world

Patch = Callable[[object, str, object], None]
"""Sets an attribute of a module or a class."""

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
_MOVE_AHEAD = """
INSERT INTO sync_watermark (connector_id, stream, workspace_id, cursor, value, run_id)
SELECT connector_id, %s, workspace_id, %s, jsonb_build_object('type', 'int', 'value', %s), id
FROM workspace_connector_sync_log WHERE workspace_connector_sync_log_id = %s
ON CONFLICT (connector_id, stream) DO UPDATE SET value = excluded.value, run_id = excluded.run_id
"""


def beat_without_fence(patch: Patch) -> None:
    """Let a worker keep the lease of whoever has its run, and take it for its own."""
    _change_sql(patch, attempts, "heartbeat_run", r" AND fence = :fence")


def record_without_fence(patch: Patch) -> None:
    """Let a worker record a run that is in progress, whoever has it."""
    _change_sql(patch, attempts, "record_run", r" AND r\.fence = :fence")


def lease_without_new_fence(patch: Patch) -> None:
    """Let each lease have the fence that the row had."""
    _change_sql(patch, attempts, "lease_run", r"fence = r\.fence \+ 1", "fence = r.fence")


def lease_what_is_in_progress(patch: Patch) -> None:
    """Let a task that is delivered twice take the run from the worker that has it."""
    _change_sql(patch, attempts, "lease_run", r"\bAND r\.status = 'scheduled'")


def lease_beside_another_run(patch: Patch) -> None:
    """Let a run start while another one of its connector is in progress."""
    _change_sql(patch, attempts, "lease_run", r"AND NOT f\.overlaps")


def lease_without_room(patch: Patch) -> None:
    """Let a run start while its workspace has as many in progress as it may."""
    _change_sql(patch, attempts, "lease_run", r"AND f\.has_room")


def confirm_nothing(patch: Patch) -> None:
    """Let a worker load without asking whether it holds its run."""
    patch(Heartbeat, "confirm", lambda _: None)


def merge_unconfirmed(patch: Patch) -> None:
    """Let a worker ask when its turn begins, and not again before its merges commit."""
    load = LedgerConnector._load

    def confirm_once(
        connector: LedgerConnector,
        request: SyncRequest,
        confirm_lease: ConfirmLease,
        pages: Sequence[Page],
        tally: list[int],
    ) -> None:
        left = [confirm_lease]

        def confirm() -> None:
            if left:
                left.pop()()

        load(connector, request, confirm, pages, tally)

    patch(LedgerConnector, "_load", confirm_once)


def merge_unconfirmed_for_real(patch: Patch) -> None:
    """Let a real load ask when its turn begins, and not again before its merges commit."""
    from shared.connectors import dataset  # noqa: PLC0415 (dlt is slow to import)

    run = dataset._MergeJob.run

    def run_unasked(job: Any) -> None:
        job._dataset.confirm_lease = lambda: None
        run(job)

    patch(dataset._MergeJob, "run", run_unasked)


def load_without_turn(patch: Patch) -> None:
    """Let several loads of a connector run at the same time."""
    patch(turn, "_lock", lambda *_: True)


def merge_by_insert(patch: Patch) -> None:
    """Write what was read as new rows."""
    merge = _replaced(
        ledger_connector._MERGE, r"ON CONFLICT .*?\(excluded\.changed, excluded\.content\)"
    )
    patch(ledger_connector, "_MERGE", merge)


def merge_by_insert_for_real(patch: Patch) -> None:
    """Let a real load write what was read as new rows, into a table without a key."""
    from shared.connectors import dataset  # noqa: PLC0415 (as above)

    generate = dataset._MergeRequest.generate_sql

    def generate_insert(table_chain: Any, sql_client: Any) -> list[str]:
        *_, merge = generate(table_chain, sql_client)
        return [_replaced(merge, r"ON CONFLICT .*?(?= RETURNING)")]

    patch(dataset._MergeRequest, "generate_sql", generate_insert)


def start_behind_the_watermark(patch: Patch) -> None:
    """Read only what is greater than the watermark."""
    page = _replaced(ledger_connector._PAGE, r"changed >= %\(start\)s", "changed > %(start)s")
    patch(ledger_connector, "_PAGE", page)


def start_behind_the_watermark_for_real(patch: Patch) -> None:
    """Read only what is greater than the watermark; the cursors of worlds are whole numbers."""
    from shared.connectors.database import source  # noqa: PLC0415 (as above)

    start = source._start

    def start_behind(*values: Any) -> Any:
        first: Any = start(*values)
        return None if first is None else first + 1

    patch(source, "_start", start_behind)


def move_the_watermark_first(patch: Patch) -> None:
    """Commit the watermark as soon as the data was read."""
    read = ledger_connector._read

    def read_and_move(request: SyncRequest) -> tuple[Place, list[Page], bool]:
        place, pages, has_more = read(request)
        watermark = encode(STREAM, CURSOR, place.changed)
        values = (STREAM, CURSOR, watermark.value["value"], str(request.run_id))
        with closing(open_world(request.dataset_url)) as connection, connection.cursor() as cursor:
            cursor.execute(_MOVE_AHEAD, values)
        return place, pages, has_more

    patch(ledger_connector, "_read", read_and_move)


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


def claim_without_key(patch: Patch) -> None:
    """Write the runs of a plan without heed to those that are there."""
    conflict = r"ON CONFLICT \(idempotency_key\).*?AND r\.period_at > CAST\(:now AS timestamptz\)"
    _change_sql(patch, schedules, "claim_page", conflict)


def plan_without_lock(patch: Patch) -> None:
    """Let several dispatchers plan a schedule at the same time."""
    _change_sql(patch, schedules, "due_schedules", r"FOR NO KEY UPDATE OF s SKIP LOCKED")


def mark_before_the_runs(patch: Patch) -> None:
    """Commit the marks of a page of schedules before the runs are written."""
    write = plan_flow.write_plans

    def write_apart(
        connection: Connection,
        plans: Sequence[tuple[Schedule, Plan]],
        set_aside: Sequence[tuple[int, str]],
        now: datetime,
    ) -> tuple[int, int]:
        write(
            connection,
            [(schedule, replace(decided, periods=())) for schedule, decided in plans],
            set_aside,
            now,
        )
        driver: Any = connection.connection.dbapi_connection
        driver.commit()
        reach(CrashPoint.PAGE_PLANNED)
        return write(connection, plans, set_aside, now)

    patch(plan_flow, "write_plans", write_apart)


def name_tasks_once(patch: Patch) -> None:
    """Give all tasks of a run the same name."""
    patch(enqueue, "task_id", lambda key, _generation: task_id(key, 0))


def forget_orders(patch: Patch) -> None:
    """Never order a task again that was not confirmed."""
    patch(enqueue, "runs_wanting_a_task", lambda *_, **__: [])


def rescue_no_lease(patch: Patch) -> None:
    """Leave runs alone whose worker fell silent."""
    patch(rescue, "rescue_expired_leases", lambda *_, **__: 0)


def rescue_no_task(patch: Patch) -> None:
    """Leave runs alone whose task does not come."""
    patch(rescue, "rescue_lost_tasks", lambda *_, **__: 0)


def rescue_no_schedule(patch: Patch) -> None:
    """Leave schedules alone that show a run which is none."""
    patch(rescue, "time_out_stale_schedules", lambda *_, **__: 0)


def rescue_for_ever(patch: Patch) -> None:
    """Give a run whose worker fell silent another attempt also after its last."""
    _change_sql(patch, runs, "rescue_expired_leases", r"r\.attempt < r\.max_attempts\s+AND")


def beat_never(patch: Patch) -> None:
    """Let a worker have its lease once, however long it takes."""
    patch(Heartbeat, "beat_until_stopped", lambda _: None)


def beat_for_ever(patch: Patch) -> None:
    """Let a worker that hangs keep its lease."""

    def hold(*values: Any) -> Hold:
        return replace(Hold(*values), longest=timedelta(days=1))

    patch(attempt, "Hold", hold)


@dataclass(frozen=True, slots=True)
class Off:
    """How to do without a protection."""

    mutate: Callable[[Patch], None] | None = None
    sql: str | None = None
    """For the database of the product or the datasets."""


class Protection(Enum):
    """Each is one thing; that another one stands in for it does not count."""

    FENCE_OF_HEARTBEATS = Off(beat_without_fence)
    FENCE_OF_RECORDS = Off(record_without_fence)
    FENCE_THAT_GROWS = Off(lease_without_new_fence)
    LEASE_OF_WAITING_RUNS_ONLY = Off(lease_what_is_in_progress)
    LEASE_OF_A_FREE_CONNECTOR = Off(lease_beside_another_run)
    INDEX_OF_ONE_RUN_IN_PROGRESS = Off(sql="DROP INDEX one_run_in_progress_per_connector")
    PLACES_OF_A_WORKSPACE = Off(lease_without_room)
    CONFIRMATION = Off(confirm_nothing)
    CONFIRMATION_OF_MERGES = Off(merge_unconfirmed)
    CONFIRMATION_OF_REAL_MERGES = Off(merge_unconfirmed_for_real)
    TURN = Off(load_without_turn)
    UPSERT = Off(merge_by_insert, "DROP INDEX fault_dataset.record_key")
    UPSERT_OF_REAL_LOADS = Off(merge_by_insert_for_real)
    INCLUSIVE_WATERMARK = Off(start_behind_the_watermark)
    INCLUSIVE_WATERMARK_OF_REAL_LOADS = Off(start_behind_the_watermark_for_real)
    WATERMARK_AFTER_DATA = Off(move_the_watermark_first)
    WATERMARK_WITH_RECORD = Off(move_the_watermark_beside_the_record)
    KEY_OF_PERIODS = Off(
        claim_without_key,
        "ALTER TABLE workspace_connector_sync_log DROP CONSTRAINT one_run_per_period",
    )
    LOCK_OF_DUE_SCHEDULES = Off(plan_without_lock)
    MARK_WITH_RUNS = Off(mark_before_the_runs)
    GENERATION_IN_TASK_NAMES = Off(name_tasks_once)
    REPEATED_ORDERS = Off(forget_orders)
    RESCUE_OF_LEASES = Off(rescue_no_lease)
    RESCUE_OF_TASKS = Off(rescue_no_task)
    RESCUE_OF_SCHEDULES = Off(rescue_no_schedule)
    LAST_ATTEMPT = Off(rescue_for_ever)
    HEARTBEAT = Off(beat_never)
    LONGEST_ATTEMPT = Off(beat_for_ever)

    @property
    def mutants(self) -> tuple[str, ...]:
        """What `Plan.mutants` needs of it."""
        mutate = self.value.mutate
        return () if mutate is None else (f"{mutate.__module__}:{mutate.__name__}",)


def take_away(world: World, protections: Sequence[Protection]) -> None:
    """Take from the databases of a world what they refuse."""
    with closing(open_world(world.dataset_url)) as connection, connection.cursor() as cursor:
        for protection in protections:
            if protection.value.sql is not None:
                cursor.execute(protection.value.sql)


def _change_sql(
    patch: Patch, module: Any, statement: str, pattern: str, replacement: str = ""
) -> None:
    """Let a module of the store load a statement in which a part is replaced."""
    load = module.load_sql
    changed = text(_replaced(load_sql(statement).text, pattern, replacement))
    patch(module, "load_sql", lambda name: changed if name == statement else load(name))


def _replaced(sql: str, pattern: str, replacement: str = "") -> str:
    """Replace the one place; a mutant that changes nothing would prove nothing."""
    changed, count = re.subn(pattern, replacement, sql, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{pattern} is there {count} times")
    return changed
