"""Planning as the product does it, over the simulated tables; every plan is checked."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random

from shared.domain import plan as planner
from shared.domain.plan import MAX_PERIODS, MAX_SINGLE_SKIPS
from shared.domain.run import Reason
from tests.faults.simulation.claims import cancel_ahead, lock_due_schedules, write_plan
from tests.faults.simulation.policy import check_next_run, check_plan
from tests.faults.simulation.rows import ScheduleRow
from tests.faults.simulation.store import Store

_PAGE = 3
_MOST = (MAX_PERIODS, MAX_PERIODS, 40, 7)
"""How many periods a pass decides at most: few now and then, so that there are several passes."""
_SINGLE_SKIPS = (MAX_SINGLE_SKIPS, 3, 0)
_NOW = timedelta(0)


def plan_due(store: Store, chance: Random, now: datetime) -> Iterator[None]:
    """Plan what falls due, a page a transaction; yields wherever another process may step in."""
    while rows := lock_due_schedules(store, now + store.look_ahead, _PAGE):
        try:
            yield
            passes = [_plan(store, chance, row, now, store.look_ahead) for row in rows]
        finally:
            for row in rows:
                row.is_locked = False
        if len(rows) < _PAGE and all(passes):
            return
        yield


def replan(
    store: Store,
    chance: Random,
    row: ScheduleRow,
    now: datetime,
    *,
    reason: Reason,
    halted_until: datetime | None = None,
    change: Callable[[], None],
) -> None:
    """Settle a schedule up to `now`, cancel what was ahead, change it, and plan ahead anew."""
    settle(store, chance, row, now)
    cancel_ahead(store, row, reason, halted_until, now)
    change()
    plan_ahead(store, chance, row, now)


def settle(store: Store, chance: Random, row: ScheduleRow, now: datetime) -> None:
    """Decide, as the schedule is, every period up to `now` that has no row yet."""
    while row.is_planned and row.planned_through is not None and row.planned_through < now:
        _plan(store, chance, row, now, _NOW)


def plan_ahead(store: Store, chance: Random, row: ScheduleRow, now: datetime) -> None:
    """Plan a schedule whose periods up to `now` are decided."""
    if row.is_planned:
        row.planned_through = now
        _plan(store, chance, row, now, store.look_ahead, most=MAX_PERIODS)


def _plan(
    store: Store,
    chance: Random,
    row: ScheduleRow,
    now: datetime,
    look_ahead: timedelta,
    *,
    most: int | None = None,
) -> bool:
    """Decide one pass over a schedule; return whether nothing is left for another."""
    schedule, recurrence = row.as_schedule(row.planned_through), row.recurrence
    decided = planner.plan(
        schedule,
        recurrence,
        now,
        look_ahead,
        most=most or chance.choice(_MOST),
        single_skips=chance.choice(_SINGLE_SKIPS),
    )
    horizon = now + look_ahead
    check_plan(schedule, recurrence, now, horizon, decided)
    if decided.is_whole and chance.random() < 0.2:
        check_next_run(schedule, recurrence, now, horizon, decided)
    store.journal.note(
        now,
        "plan" if decided.is_whole else "plan in part",
        row.id,
        f"to {decided.planned_through:%m-%d %H:%M:%S}",
        f"{len(decided.periods)} rows",
    )
    if any(period.count > 1 for period in decided.periods):
        store.journal.note(now, "folded", row.id)
    write_plan(store, row, decided, now)
    return decided.is_whole
