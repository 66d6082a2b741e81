"""Plan and claim: turn the periods that fall due into runs, a page of schedules a transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from shared.crash_points import CrashPoint, reach
from shared.domain.plan import Plan
from shared.domain.schedule import Schedule
from shared.flow.decide import Bounds, decide_all
from shared.store.schedules import lock_due_schedules, write_plans

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What planning did: schedules due and set aside, runs claimed, periods skipped."""

    due: int = 0
    claimed: int = 0
    skipped: int = 0
    set_aside: int = 0
    drift: timedelta = timedelta(0)
    is_complete: bool = True


def plan_due(
    engine: Engine, now: datetime, look_ahead: timedelta, has_time: Callable[[], bool]
) -> PlanReport:
    """Plan every schedule that falls due by `now + look_ahead`, until the tick's time is over.

    Safe to run twice at once: a schedule is locked by one of them and stepped over by the other.
    """
    report, bounds = PlanReport(), Bounds()
    while has_time():
        page, single_skips = _plan_page(engine, now, look_ahead, bounds)
        report = _sum(report, page)
        bounds = replace(bounds, single_skips=bounds.single_skips - single_skips)
        if page.is_complete:
            return report
    return replace(report, is_complete=False)


def _plan_page(
    engine: Engine, now: datetime, look_ahead: timedelta, bounds: Bounds
) -> tuple[PlanReport, int]:
    """Plan a page; return what was done and how many skipped periods got a row."""
    with engine.begin() as connection:
        rows = lock_due_schedules(connection, now + look_ahead, _PAGE)
        if not rows:
            return PlanReport(), 0
        decisions = decide_all(connection, rows, now, look_ahead, bounds)
        claimed, skipped = write_plans(connection, decisions.planned, decisions.set_aside, now)
    reach(CrashPoint.PAGE_PLANNED)
    is_last = len(rows) < _PAGE and decisions.count == len(rows) and decisions.is_whole
    report = PlanReport(
        due=decisions.count,
        claimed=claimed,
        skipped=skipped,
        set_aside=len(decisions.set_aside),
        drift=_drift(decisions.planned, now),
        is_complete=is_last,
    )
    return report, decisions.rows - claimed


def _drift(planned: Sequence[tuple[Schedule, Plan]], now: datetime) -> timedelta:
    late = [
        now - period.period_at
        for _, decided in planned
        for period in decided.periods
        if period.reason is None
    ]
    return max(timedelta(0), *late) if late else timedelta(0)


def _sum(left: PlanReport, right: PlanReport) -> PlanReport:
    return PlanReport(
        due=left.due + right.due,
        claimed=left.claimed + right.claimed,
        skipped=left.skipped + right.skipped,
        set_aside=left.set_aside + right.set_aside,
        drift=max(left.drift, right.drift),
    )
