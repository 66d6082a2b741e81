"""One pass of the dispatcher: rescue, plan and claim, enqueue, and a row that says what it did.

Safe to run twice at once and to be killed anywhere: every step commits on its own, repeats its
premise, and leaves the rest in the tables for the next pass.
"""

import logging
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from shared.clock import monotonic
from shared.crash_points import CrashPoint, reach
from shared.flow.enqueue import EnqueueReport, enqueue_due
from shared.flow.errands import order_errands
from shared.flow.patience import USUAL, Patience
from shared.flow.plan import PlanReport, plan_due
from shared.flow.prune import prune
from shared.flow.rescue import rescue
from shared.flow.unread import start_unread
from shared.flow.zone_data import replan_older_zone_data
from shared.logs import log_event
from shared.store.engine import single_statements
from shared.store.ticks import TickReport, as_of, begin_tick, complete_tick

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

_log = logging.getLogger(__name__)
_ALERT_DRIFT = timedelta(minutes=5)
_SHARE_BEFORE_PLANNING = 0.2
"""Of a tick's time, for what has to happen before what is due is planned."""
_SHARE_THROUGH_PLANNING = 0.7
"""What is left is for tasks: a long catch-up must not keep runs that are planned from starting."""
_SHARE_THROUGH_TASKS = 0.9
"""What is left of a long one is for what sources reported: however long it lasts, it is read."""
_SHARE_THROUGH_REPORTS = 0.95
_SHARE_THROUGH_PRUNING = 0.9


def run_tick(
    engine: Engine,
    queue: "CloudTasksQueue",
    *,
    look_ahead: timedelta,
    budget: timedelta,
    patience: Patience = USUAL,
    now: datetime | None = None,
) -> TickReport:
    """Do what is due as of `now` (the database's clock when None), for at most about `budget`."""
    started = monotonic()

    def has_time(share: float = 1.0) -> bool:
        return monotonic() - started < budget.total_seconds() * share

    with single_statements(engine) as connection:
        at = as_of(connection, now)
        tick_id = begin_tick(connection, at)
    reach(CrashPoint.TICK_BEGUN)
    rescued = rescue(engine, at, patience)
    reach(CrashPoint.RESCUED)
    # Soonest first, so that what is due is planned with the newest data; the rest can wait.
    is_current = replan_older_zone_data(
        engine, at, look_ahead, lambda: has_time(_SHARE_BEFORE_PLANNING)
    )
    planned = plan_due(engine, at, look_ahead, lambda: has_time(_SHARE_THROUGH_PLANNING))
    reach(CrashPoint.PLANNED)
    enqueued = enqueue_due(
        engine, queue, at, look_ahead, lambda: has_time(_SHARE_THROUGH_TASKS), patience
    )
    order_errands(engine, queue, at)
    # What is due has its tasks by now, so that no scheduled run waits for a look at what was
    # reported; the runs of reports get theirs in the same tick while there is time.
    reported = start_unread(engine, at, lambda: has_time(_SHARE_THROUGH_REPORTS))
    if not _is_refused(enqueued) and (reported or not enqueued.is_complete):
        more = enqueue_due(engine, queue, at, look_ahead, has_time, patience)
        enqueued = _sum(enqueued, more)
    prune(engine, at, lambda: has_time(_SHARE_THROUGH_PRUNING))
    if not is_current:
        replan_older_zone_data(engine, at, look_ahead, has_time)
    report = _report(rescued, planned, enqueued)
    took = timedelta(seconds=monotonic() - started)
    reach(CrashPoint.TICK_DONE)
    with single_statements(engine) as connection:
        complete_tick(connection, tick_id, report, at + took, took)
    _announce(report, took)
    return report


def _is_refused(report: EnqueueReport) -> bool:
    """Tell whether Cloud Tasks took nothing: then the next tick asks again."""
    return report.failures > 0 and report.enqueued == 0


def _sum(first: EnqueueReport, second: EnqueueReport) -> EnqueueReport:
    """Return both passes as one; the second tells whether anything is left."""
    return EnqueueReport(
        first.enqueued + second.enqueued, first.failures + second.failures, second.is_complete
    )


def _report(rescued: int, planned: PlanReport, enqueued: EnqueueReport) -> TickReport:
    return TickReport(
        rescued=rescued,
        due=planned.due,
        claimed=planned.claimed,
        skipped=planned.skipped,
        set_aside=planned.set_aside,
        enqueued=enqueued.enqueued,
        enqueue_failures=enqueued.failures,
        drift=planned.drift,
        is_complete=planned.is_complete and enqueued.is_complete,
    )


def _announce(report: TickReport, took: timedelta) -> None:
    fields = asdict(report)
    fields["drift_ms"] = fields.pop("drift") // timedelta(milliseconds=1)
    log_event(
        _log,
        logging.INFO,
        "tick_completed",
        "Tick completed",
        duration_ms=took // timedelta(milliseconds=1),
        **fields,
    )
    if report.drift > _ALERT_DRIFT:
        log_event(
            _log,
            logging.ERROR,
            "drift_alert",
            "Periods were planned more than 5 minutes late",
            drift_ms=fields["drift_ms"],
        )
