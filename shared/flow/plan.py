"""Plan and claim: turn the periods that fall due into runs, a page of schedules a transaction."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from shared.domain.plan import Plan, plan
from shared.domain.schedule import Schedule, build_recurrence
from shared.errors import RecurrenceError
from shared.logs import log_event
from shared.store.rows import Row
from shared.store.schedules import lock_due_schedules, to_schedule, write_plans

_log = logging.getLogger(__name__)
_PAGE = 1_000
_MAX_PERIODS_OF_PAGE = 10_000
"""A transaction holds the locks of its schedules, so that it stops at so many periods."""


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
    report = PlanReport()
    while has_time():
        page = _plan_page(engine, now, look_ahead)
        report = _sum(report, page)
        if page.is_complete:
            return report
    return PlanReport(
        report.due, report.claimed, report.skipped, report.set_aside, report.drift, False
    )


def _plan_page(engine: Engine, now: datetime, look_ahead: timedelta) -> PlanReport:
    with engine.begin() as connection:
        rows = lock_due_schedules(connection, now + look_ahead, _PAGE)
        if not rows:
            return PlanReport()
        planned, set_aside = _decide_all(rows, now, look_ahead)
        claimed, skipped = write_plans(connection, planned, set_aside, now)
    return PlanReport(
        due=len(planned) + len(set_aside),
        claimed=claimed,
        skipped=skipped,
        set_aside=len(set_aside),
        drift=_drift(planned, now),
        is_complete=_is_last(rows, planned, set_aside),
    )


def _is_last(
    rows: Sequence[Row],
    planned: Sequence[tuple[Schedule, Plan]],
    set_aside: Sequence[tuple[int, str]],
) -> bool:
    is_decided = len(planned) + len(set_aside) == len(rows)
    return len(rows) < _PAGE and is_decided and all(decided.is_whole for _, decided in planned)


def _decide_all(
    rows: Sequence[Row], now: datetime, look_ahead: timedelta
) -> tuple[list[tuple[Schedule, Plan]], list[tuple[int, str]]]:
    planned: list[tuple[Schedule, Plan]] = []
    set_aside: list[tuple[int, str]] = []
    periods = 0
    for row in rows:
        if periods >= _MAX_PERIODS_OF_PAGE:
            break
        try:
            planned.append(_decide(row, now, look_ahead))
            periods += len(planned[-1][1].periods)
        except (RecurrenceError, ValueError) as error:
            # One customer's unusable row must not stop the tick for everybody.
            set_aside.append((row["id"], str(error)))
            log_event(
                _log,
                logging.WARNING,
                "schedule_set_aside",
                "A schedule cannot be planned and was set aside until it is edited",
                schedule_id=row["public_id"],
                reason=str(error),
            )
    return planned, set_aside


def _decide(row: Row, now: datetime, look_ahead: timedelta) -> tuple[Schedule, Plan]:
    schedule = to_schedule(row)
    recurrence = build_recurrence(schedule.recurrence)
    if recurrence is None:
        raise ValueError(f"a {schedule.recurrence.frequency} schedule has no periods to plan")
    return schedule, plan(schedule, recurrence, now, look_ahead)


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
