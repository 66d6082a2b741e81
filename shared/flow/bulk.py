"""Pause, resume or trigger many schedules, each answered by itself, in a bounded time."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4, uuid5

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.clock import monotonic
from shared.domain.access import Principal
from shared.domain.audit import Change, ObjectKind
from shared.domain.bulk import MAX_BULK, BulkAction, BulkItem, BulkResult
from shared.domain.schedule import UNTIL_RESUMED
from shared.errors import InvalidInputError, NotFoundError, Problem, SynclineError, TransientError
from shared.flow.bulk_triggers import find_startable, refused, write_runs
from shared.flow.enqueue import PAGE_OF_WORKSPACE, enqueue_workspace
from shared.flow.manual_runs import triggers_too_often
from shared.flow.pause import is_changed, set_pauses
from shared.flow.schedules import Planner
from shared.flow.trigger import write_run_of
from shared.logs import class_and_place, log_event
from shared.store.audit import append_audit
from shared.store.engine import single_statements
from shared.store.schedule_filters import ScheduleFilter, find_schedule_ids
from shared.store.schedules import find_schedules
from shared.store.ticks import as_of
from shared.store.trigger_rate import triggers_left
from shared.store.troubles import Trouble, trouble_of

_log = logging.getLogger(__name__)
_PAGE = 50
"""How many schedules one transaction is about."""
_BUDGET_SECONDS = 25.0
"""After how long nothing more is begun: whoever waits for the answer gets it within a minute."""
_ENQUEUE_SECONDS = 10.0
_MINUTE = timedelta(minutes=1)
_SENTENCES = {
    Trouble.BUSY: "Others hold what it needs, or it took too long; it is as it was: ask again.",
    Trouble.UNAVAILABLE: (
        "The database did not answer, so that it is not known whether it was done: look at it, or"
        " ask again."
    ),
    None: "Something broke on our side; it is logged.",
}
_DatabaseError = (DBAPIError, PoolTimeoutError)


@dataclass(frozen=True, slots=True)
class Bulk:
    """What to do to the schedules; `until` and `note` are of a pause.

    `request` names the runs that it starts, so that whoever repeats it starts none twice.
    """

    action: BulkAction
    until: datetime | None = None
    note: str | None = None
    is_dry_run: bool = False
    request: UUID | None = None

    @property
    def paused_until(self) -> datetime | None:
        """Until when the schedules are paused; None to resume them."""
        return (self.until or UNTIL_RESUMED) if self.action is BulkAction.PAUSE else None

    def run_of(self, schedule: UUID) -> UUID:
        """Return the public id of the run that is started of a schedule."""
        return uuid4() if self.request is None else uuid5(self.request, str(schedule))


def act_on_schedules(
    planner: Planner, principal: Principal, bulk: Bulk, schedules: Sequence[UUID]
) -> list[BulkItem]:
    """Do the same to each of some schedules, in the given order; one named twice counts once.

    Some at a time are a transaction. Whatever the database refuses is told with the schedule; when
    it is gone, or the time is over, the others are not tried. A call that is cut off has done a
    part, and may be repeated. A dry run changes nothing and says what would become of each now.
    Runs get their tasks as their workspace has room, the others with the next tick. Raises
    `InvalidInputError` for a pause whose end has passed.
    """
    wanted = list(dict.fromkeys(schedules))
    if bulk.action is BulkAction.PAUSE:
        _require_future(planner, bulk.until)
    if bulk.is_dry_run:
        return list(_foresee(planner, principal, bulk, wanted))
    try:
        items = _act(planner, principal, bulk, wanted)
        _quietly("audit", lambda: _append_refused(planner, principal, bulk, items))
    finally:
        _quietly("enqueue", lambda: _enqueue(planner, principal, bulk))
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


def _act(
    planner: Planner, principal: Principal, bulk: Bulk, wanted: Sequence[UUID]
) -> list[BulkItem]:
    items: list[BulkItem] = []
    ends_at = monotonic() + _BUDGET_SECONDS
    while len(items) < len(wanted):
        page = wanted[len(items) : len(items) + _PAGE]
        done, is_gone = _act_on_page(planner, principal, bulk, page, ends_at)
        items += done
        if is_gone or monotonic() > ends_at:
            break
    return items + [BulkItem(one, BulkResult.NOT_TRIED) for one in wanted[len(items) :]]


def _act_on_page(
    planner: Planner, principal: Principal, bulk: Bulk, page: Sequence[UUID], ends_at: float
) -> tuple[list[BulkItem], bool]:
    """Return what became of a page, or of its first ones, and whether the database is gone.

    What is in the way of one of them is in the way of the page, so that then each is for itself.
    """
    try:
        return _together(planner, principal, bulk, page), False
    except _DatabaseError as error:
        if _is_gone(error):
            return [_troubled(schedule, error) for schedule in page], True
    except SynclineError as error:  # the workspace was disabled meanwhile
        return [refused(schedule, error) for schedule in page], False
    items: list[BulkItem] = []
    for schedule in page:
        if monotonic() > ends_at:
            break
        try:
            items.append(_alone(planner, principal, bulk, schedule))
        except _DatabaseError as error:
            items.append(_troubled(schedule, error))
            if _is_gone(error):
                return items, True
        except SynclineError as error:
            items.append(refused(schedule, error))
    return items, False


def _together(
    planner: Planner, principal: Principal, bulk: Bulk, page: Sequence[UUID]
) -> list[BulkItem]:
    if bulk.action is BulkAction.TRIGGER:
        runs = {schedule: bulk.run_of(schedule) for schedule in page}
        return write_runs(planner.engine, principal, runs)
    until = bulk.paused_until
    found, _ = set_pauses(planner, principal, page, until=until, note=bulk.note)
    return [_paused(schedule, found.get(schedule)) for schedule in page]


def _alone(planner: Planner, principal: Principal, bulk: Bulk, schedule: UUID) -> BulkItem:
    if bulk.action is not BulkAction.TRIGGER:
        return _together(planner, principal, bulk, [schedule])[0]
    run = write_run_of(planner.engine, principal, schedule, bulk.run_of(schedule))
    return BulkItem(schedule, BulkResult.DONE, run)


def _paused(schedule: UUID, is_change: bool | None) -> BulkItem:
    if is_change is None:
        return refused(schedule, NotFoundError("There is no such schedule."))
    return BulkItem(schedule, BulkResult.DONE if is_change else BulkResult.UNCHANGED)


def _is_gone(error: DBAPIError | PoolTimeoutError) -> bool:
    return trouble_of(error) is Trouble.UNAVAILABLE


def _troubled(schedule: UUID, error: DBAPIError | PoolTimeoutError) -> BulkItem:
    trouble = trouble_of(error)
    log_event(
        _log,
        logging.ERROR if trouble is None else logging.WARNING,
        "bulk_item_failed",
        "The database did not do to a schedule what was asked for many",
        schedule_id=schedule,
        error_class=class_and_place(error),
    )
    code = trouble or SynclineError.code
    return refused(schedule, TransientError(_SENTENCES[trouble], code=code))


def _foresee(
    planner: Planner, principal: Principal, bulk: Bulk, schedules: Sequence[UUID]
) -> Iterator[BulkItem]:
    """Say what would become of each; the rate counts those that would start before it."""
    with single_statements(planner.engine) as connection:
        if bulk.action is not BulkAction.TRIGGER:
            rows = find_schedules(connection, principal.workspace_id, schedules)
            for schedule in schedules:
                row = rows.get(schedule)
                changes = None if row is None else is_changed(row, bulk.paused_until, bulk.note)
                yield _paused(schedule, changes)
            return
        left = triggers_left(connection, principal.workspace_id)
        found = find_startable(connection, principal, schedules, as_of(connection, None))
    for schedule, row in found.items():
        if isinstance(row, SynclineError):
            yield refused(schedule, row)
        elif left > 0:
            left -= 1
            yield BulkItem(schedule, BulkResult.DONE)
        else:
            yield refused(schedule, triggers_too_often(_MINUTE))


def _append_refused(
    planner: Planner, principal: Principal, bulk: Bulk, items: Sequence[BulkItem]
) -> None:
    """Add what was refused to the audit log, where what was done is with its own transaction.

    Trouble of the database refuses nobody, here as where one schedule is asked for.
    """
    changes = [
        Change(f"{bulk.action}_schedule", ObjectKind.SCHEDULE, item.schedule, code=item.error.code)
        for item in items
        if item.error is not None and not isinstance(item.error, TransientError)
    ]
    with single_statements(planner.engine) as connection:
        append_audit(connection, principal.workspace_id, principal.actor, *changes)


def _enqueue(planner: Planner, principal: Principal, bulk: Bulk) -> None:
    """Enqueue what the workspace has room for: of runs to come too, if schedules were replanned."""
    with single_statements(planner.engine) as connection:
        now = as_of(connection, None)
    horizon = now if bulk.action is BulkAction.TRIGGER else now + planner.look_ahead
    ends_at, taken = monotonic() + _ENQUEUE_SECONDS, PAGE_OF_WORKSPACE
    while taken == PAGE_OF_WORKSPACE and monotonic() < ends_at:
        taken = enqueue_workspace(
            planner.engine, planner.open_queue, principal.workspace_id, now=now, horizon=horizon
        )


def _quietly(what: str, do: Callable[[], None]) -> None:
    """Do what the answer does not wait for: what was done is told, whatever becomes of this."""
    try:
        do()
    except Exception as error:  # noqa: BLE001 (whatever it is, schedules were acted on)
        log_event(
            _log,
            logging.WARNING,
            "bulk_unfinished",
            "Something failed after schedules had been acted on",
            left_out=what,
            error_class=class_and_place(error),
        )
