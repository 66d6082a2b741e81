"""The whole ledger of a schedule: every period that it named has one row, and no other runs."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.domain.run import Reason, RunStatus
from tests.faults.simulation.policy import ALL
from tests.faults.simulation.rows import Run, ScheduleRow
from tests.faults.simulation.rules import require
from tests.faults.simulation.store import Store

_MICROSECOND = timedelta(microseconds=1)
_NOT_RUN = (RunStatus.SKIPPED, RunStatus.CANCELLED)


def check_ledger(store: Store, row: ScheduleRow, now: datetime) -> None:
    """Check all periods up to the mark, and whatever is in the rows besides."""
    runs = [run for run in store.runs if run.schedule_id == row.id and run.period_at is not None]
    named = _named(row)
    rows = Counter(at for run in runs for at in _instants_of(row, run))
    twice = sorted(at for at, number in rows.items() if number > 1)
    require(not twice, "a period has one row", row.id, row.fields, twice)
    without = sorted(named.difference(rows))
    require(not without, "every period has a row", row.id, row.fields, without)
    for run in runs:
        _check_run(run, now, is_named=run.period_at in named)


def _check_run(run: Run, now: datetime, *, is_named: bool) -> None:
    # It may have begun a moment early, before its schedule was changed.
    was_early = run.has_started and run.started_at < run.period_at
    require(
        is_named or was_early or run.status in _NOT_RUN,
        "what the schedule did not name is not run",
        run,
        run.status,
    )
    require(
        not is_named
        or run.period_at <= now
        or run.status is not RunStatus.CANCELLED
        or run.reason == Reason.CANCELLED_BY_USER,
        "a period to come is not left cancelled",
        run,
        run.reason,
    )


def _named(row: ScheduleRow) -> set[datetime]:
    """Return every period up to the mark, by the recurrence that held when it came."""
    return {
        at
        for span in row.spans
        for at in span.recurrence.between(span.start, span.end or row.planned_through, ALL)
    }


def _instants_of(row: ScheduleRow, run: Run) -> Sequence[datetime]:
    """Return the periods that a row stands for, by the span that has them all."""
    if run.last_period_at is None:
        require(run.count == 1, "a row of one period counts one", run, run.count)
        return [run.period_at]
    for span in row.spans:
        if span.start < run.period_at and (span.end is None or run.last_period_at <= span.end):
            start = run.period_at - _MICROSECOND
            instants = span.recurrence.between(start, run.last_period_at, ALL)
            require(
                len(instants) == run.count and instants[0] == run.period_at,
                "a row counts its periods",
                run,
                run.count,
                len(instants),
            )
            return instants
    require(False, "a folded row stands for periods of one recurrence", run)
    return []
