"""Planning's statements: lock what is due, write its runs and marks, cancel what was ahead."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared.domain.plan import Plan, PlannedPeriod
from shared.domain.run import Reason, RunStatus, TriggerType
from tests.faults.simulation.rows import Run, ScheduleRow
from tests.faults.simulation.rules import check_mark
from tests.faults.simulation.store import Store


def lock_due_schedules(store: Store, horizon: datetime, page: int) -> Sequence[ScheduleRow]:
    """Lock what falls due by the horizon; rows that another tick holds are stepped over."""
    due = [
        (row.next_scheduled_at, row.id, row)
        for row in store.schedules
        if row.next_scheduled_at is not None
        and row.next_scheduled_at <= horizon
        and not row.is_locked
    ]
    rows = [row for *_, row in sorted(due)[:page]]
    for row in rows:
        row.is_locked = True
    return rows


def write_plan(store: Store, row: ScheduleRow, decided: Plan, now: datetime) -> int:
    """Write the runs of a planned schedule and move its marks; return how many are to start."""
    row.planned_through = decided.planned_through
    row.next_scheduled_at = decided.next_scheduled_at
    check_mark(row)
    for period in decided.periods:
        _write_period(store, row, period, now)
    return sum(period.reason is None for period in decided.periods)


def _write_period(store: Store, row: ScheduleRow, period: PlannedPeriod, now: datetime) -> None:
    is_run = period.reason is None
    wanted = Run(
        id=-1,
        workspace_id=row.workspace.id,
        schedule_id=row.id,
        trigger=TriggerType.CLOUD_TASK,
        key=period.idempotency_key,
        period_at=period.period_at,
        not_before_at=period.not_before_at,
        max_attempts=row.max_attempts,
        status=RunStatus.SCHEDULED if is_run else RunStatus.SKIPPED,
        reason=period.reason,
        count=period.count,
        last_period_at=period.last_period_at,
        completed_at=None if is_run else now,
    )
    there = store.by_key.get(wanted.key)
    if there is None:
        store.insert(wanted, now)
        return
    old = store.runs[there]
    if (
        old.status in (RunStatus.CANCELLED, RunStatus.SKIPPED)
        and old.reason != Reason.CANCELLED_BY_USER
        and not old.has_started
        and old.period_at is not None
        and old.period_at > now
    ):
        taken_up = replace(wanted, id=old.id, fence=old.fence, generation=old.generation + 1)
        store.write(taken_up, now)


def cancel_ahead(
    store: Store, row: ScheduleRow, reason: Reason, halted_until: datetime | None, now: datetime
) -> None:
    """Cancel runs of periods not reached; with a halt, all that would start before its end."""
    for run in store.waiting_of(row.id):
        if run.trigger.is_interactive or run.has_started:
            continue
        starts_in_halt = halted_until is not None and max(run.not_before_at, now) < halted_until
        if run.period_at > now or starts_in_halt:
            ended = replace(run, status=RunStatus.CANCELLED, reason=reason, completed_at=now)
            store.write(ended, now)
