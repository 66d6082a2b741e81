"""Pause, resume or trigger many schedules, each by itself: one that is refused stops no other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection

from shared.domain.access import Principal
from shared.domain.bulk import MAX_BULK, BulkAction, BulkItem, BulkResult
from shared.domain.schedule import UNTIL_RESUMED
from shared.errors import BusyError, InvalidInputError, NotFoundError, Problem, SynclineError
from shared.flow.enqueue import enqueue_workspace
from shared.flow.manual_runs import RunActiveError, require_startable
from shared.flow.pause import pause_schedule, resume_schedule
from shared.flow.schedules import Planner
from shared.flow.trigger import wanted_of, write_run_of
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.schedule_filters import ScheduleFilter, find_schedule_ids
from shared.store.schedules import find_schedule
from shared.store.ticks import as_of
from shared.store.trigger_rate import triggers_left


@dataclass(frozen=True, slots=True)
class Bulk:
    """What to do to the schedules; `until` and `note` are of a pause."""

    action: BulkAction
    until: datetime | None = None
    note: str | None = None
    is_dry_run: bool = False


def act_on_schedules(
    planner: Planner, principal: Principal, bulk: Bulk, schedules: Sequence[UUID]
) -> list[BulkItem]:
    """Do the same to each of some schedules, in the given order; one named twice counts once.

    Each is a transaction of its own, so that a call that is cut off has done a part, and may be
    repeated. A dry run changes nothing and says what would become of each now. Runs get their tasks
    as their workspace has room, the others with the next tick. Raises `InvalidInputError` for a
    pause whose end has passed.
    """
    wanted = list(dict.fromkeys(schedules))
    if bulk.action is BulkAction.PAUSE:
        _require_future(planner, bulk.until)
    if bulk.is_dry_run:
        return list(_foresee(planner, principal, bulk, wanted))
    items = [_act(planner, principal, bulk, one) for one in wanted]
    if bulk.action is BulkAction.TRIGGER:
        _enqueue(planner, principal)
    return items


def schedules_of(planner: Planner, principal: Principal, wanted: ScheduleFilter) -> list[UUID]:
    """Return the schedules of a filter, oldest first.

    Raises `InvalidInputError` (bulk_size) if there are more than one call is about.
    """
    with single_statements(planner.engine) as connection:
        found = find_schedule_ids(connection, principal.workspace_id, wanted, limit=MAX_BULK + 1)
    if len(found) > MAX_BULK:
        raise InvalidInputError(
            Problem(
                "filter",
                "bulk_size",
                f"more than {MAX_BULK} schedules have this in common",
                "Narrow the filter, or name the schedules by ids, in several calls.",
            )
        )
    return found


def _require_future(planner: Planner, until: datetime | None) -> None:
    with single_statements(planner.engine) as connection:
        now = as_of(connection, None)
    if until is not None and until <= now:
        raise InvalidInputError(
            Problem(
                "until",
                "pause_until_passed",
                "it has passed already",
                "Name an instant to come, or leave it out to pause until resumed.",
            )
        )


def _act(planner: Planner, principal: Principal, bulk: Bulk, schedule: UUID) -> BulkItem:
    try:
        match bulk.action:
            case BulkAction.PAUSE | BulkAction.RESUME:
                return _set_pause(planner, principal, bulk, schedule)
            case BulkAction.TRIGGER:
                run = write_run_of(planner.engine, principal, schedule, uuid4())
                return BulkItem(schedule, BulkResult.DONE, run)
    except SynclineError as error:
        return _refused(schedule, error)


def _set_pause(planner: Planner, principal: Principal, bulk: Bulk, schedule: UUID) -> BulkItem:
    with single_statements(planner.engine) as connection:
        row = _require(connection, principal, schedule)
    if not _changes(bulk, row):
        return BulkItem(schedule, BulkResult.UNCHANGED)
    if bulk.action is BulkAction.PAUSE:
        pause_schedule(planner, principal, schedule, until=bulk.until, note=bulk.note)
    else:
        resume_schedule(planner, principal, schedule)
    return BulkItem(schedule, BulkResult.DONE)


def _foresee(
    planner: Planner, principal: Principal, bulk: Bulk, schedules: Sequence[UUID]
) -> Iterator[BulkItem]:
    """Say what would become of each; the rate counts those that would start before it."""
    is_trigger = bulk.action is BulkAction.TRIGGER
    with single_statements(planner.engine) as connection:
        left = triggers_left(connection, principal.workspace_id) if is_trigger else 0
        for schedule in schedules:
            try:
                row = _require(connection, principal, schedule)
                if is_trigger:
                    require_startable(connection, principal, wanted_of(row))
                    left = _spend_one(left)
                is_change = is_trigger or _changes(bulk, row)
                result = BulkResult.DONE if is_change else BulkResult.UNCHANGED
                yield BulkItem(schedule, result)
            except SynclineError as error:
                yield _refused(schedule, error)


def _spend_one(left: int) -> int:
    if left < 1:
        raise BusyError(
            "The workspace would start more runs by hand than it may in a minute: see its setting"
            " manual_triggers_per_minute.",
            code="rate_limited",
            retry_after=timedelta(minutes=1),
        )
    return left - 1


def _changes(bulk: Bulk, row: Row) -> bool:
    if bulk.action is BulkAction.RESUME:
        return row["paused_until"] is not None
    until = bulk.until or UNTIL_RESUMED
    return (row["paused_until"], row["pause_note"]) != (until, bulk.note)


def _require(connection: Connection, principal: Principal, schedule: UUID) -> Row:
    row = find_schedule(connection, principal.workspace_id, schedule)
    if row is None:
        raise NotFoundError("There is no such schedule.")
    return row


def _refused(schedule: UUID, error: SynclineError) -> BulkItem:
    run = error.run if isinstance(error, RunActiveError) else None
    return BulkItem(schedule, BulkResult.REFUSED, run, error)


def _enqueue(planner: Planner, principal: Principal) -> None:
    with single_statements(planner.engine) as connection:
        now = as_of(connection, None)
    enqueue_workspace(
        planner.engine,
        planner.open_queue,
        principal.workspace_id,
        now=now,
        horizon=now,
    )
