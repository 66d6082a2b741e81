"""What planning one schedule must come to, said a second time: which periods run, and when."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.domain.blackout import blackout_at
from shared.domain.next_run import find_next_run
from shared.domain.plan import Plan, PlannedPeriod
from shared.domain.recurrence import Recurrence
from shared.domain.run import Reason
from shared.domain.schedule import BlackoutPolicy, MissedRunPolicy, Schedule
from tests.faults.simulation.rules import require

ALL = 1_000_000
_MISSED = timedelta(seconds=60)
_MICROSECOND = timedelta(microseconds=1)


def check_plan(
    schedule: Schedule, recurrence: Recurrence, now: datetime, horizon: datetime, decided: Plan
) -> None:
    """Check which periods were decided, which of them run, from when on, and why others do not."""
    mark = schedule.planned_through
    last = decided.periods[-1] if decided.periods else None
    end = max(horizon, mark) if decided.is_whole else last.last_period_at or last.period_at
    require(
        decided.planned_through == end,
        "the mark moves to the end of what was decided",
        schedule,
        decided.planned_through,
        end,
    )
    named = recurrence.between(mark, end, ALL)
    covered = [at for period in decided.periods for at in instants_of(period, recurrence)]
    require(covered == named, "a plan decides each period once", schedule, covered, named)
    halted = {at: halt for at in named if (halt := _halt(schedule, at)) is not None}
    runs = _runs(schedule, recurrence, named, halted, now)
    planned = [period.period_at for period in decided.periods if period.reason is None]
    require(planned == runs, "the policy says how many runs", schedule, now, planned, runs)
    for period in decided.periods:
        if period.reason is None:
            _check_start(schedule, period, now)
        else:
            _check_reason(period, halted.get(period.period_at))


def check_next_run(
    schedule: Schedule, recurrence: Recurrence, now: datetime, horizon: datetime, decided: Plan
) -> None:
    """Check that what a person was shown as the next run is what a whole plan makes of it."""
    shown = find_next_run(schedule, recurrence, now).run
    first = next((period for period in decided.periods if period.reason is None), None)
    is_later = shown is None or shown.period_at > horizon
    is_right = is_later if first is None else shown == first
    require(is_right, "the next run is the one that is planned", schedule, now, shown, first)


def instants_of(period: PlannedPeriod, recurrence: Recurrence) -> Sequence[datetime]:
    """Return the periods that a planned one stands for."""
    if period.last_period_at is None:
        require(period.count == 1, "a row of one period counts one", period)
        return [period.period_at]
    instants = recurrence.between(period.period_at - _MICROSECOND, period.last_period_at, ALL)
    require(len(instants) == period.count, "a row counts its periods", period, len(instants))
    return instants


def _halt(schedule: Schedule, instant: datetime) -> Reason | None:
    if not schedule.connector_is_usable:
        return Reason.CONNECTOR_UNAVAILABLE
    if schedule.paused_until is not None and instant < schedule.paused_until:
        return Reason.PAUSED
    blackout = blackout_at(schedule.blackouts, instant)
    if blackout is None:
        return None
    moves = schedule.blackout_policy is BlackoutPolicy.MOVE and blackout.ends_at is not None
    return None if moves else Reason.BLACKOUT


def _runs(
    schedule: Schedule,
    recurrence: Recurrence,
    named: Sequence[datetime],
    halted: dict[datetime, Reason],
    now: datetime,
) -> Sequence[datetime]:
    free = [at for at in named if at not in halted]
    newest = next((at for at in reversed(free) if at <= now), None)
    if newest is not None and _another_is_newer(schedule, recurrence, named[-1], now):
        newest = None
    return [at for at in free if _is_run(schedule, recurrence, at, now, is_newest=at == newest)]


def _another_is_newer(
    schedule: Schedule, recurrence: Recurrence, last: datetime, now: datetime
) -> bool:
    """Tell whether a later pass has a newer period that has come and that nothing halts."""
    following = recurrence.next_after(last)
    while following is not None and following <= now:
        if _halt(schedule, following) is None:
            return True
        following = recurrence.next_after(following)
    return False


def _is_run(
    schedule: Schedule, recurrence: Recurrence, at: datetime, now: datetime, *, is_newest: bool
) -> bool:
    due_at = _due_at(schedule, at)
    lateness = now - due_at
    is_missed = lateness >= _MISSED
    is_too_late = is_missed and lateness > schedule.catch_up_window
    runs_all = schedule.missed_run_policy is MissedRunPolicy.RUN_ALL
    following = recurrence.next_after(at)
    if not runs_all and due_at > at and following is not None and following <= due_at:
        return False
    if lateness < timedelta(0) or runs_all:
        return not is_too_late
    if schedule.missed_run_policy is MissedRunPolicy.SKIP:
        return not is_missed
    return is_newest and not is_too_late


def _due_at(schedule: Schedule, at: datetime) -> datetime:
    blackout = blackout_at(schedule.blackouts, at)
    return at if blackout is None or blackout.ends_at is None else blackout.ends_at


def _check_start(schedule: Schedule, period: PlannedPeriod, now: datetime) -> None:
    """Check that spread only delays, by less than its length, and that no window holds then."""
    start, due_at = period.not_before_at, _due_at(schedule, period.period_at)
    delay = start - due_at
    is_spread = timedelta(0) <= delay < max(schedule.spread, _MICROSECOND)
    is_end_of_window = delay > timedelta(0) and bool(
        blackout_at(schedule.blackouts, start - _MICROSECOND)
    )
    require(is_spread or is_end_of_window, "spread only delays a start", schedule, period)
    require(
        blackout_at(schedule.blackouts, max(start, now)) is None,
        "no start is planned into a blackout window",
        schedule,
        period,
        now,
    )


def _check_reason(period: PlannedPeriod, halt: Reason | None) -> None:
    own = (Reason.COALESCED, Reason.MISSED_WINDOW, Reason.BLACKOUT)
    is_right = period.reason in own if halt is None else period.reason == halt
    require(is_right, "a skip says what halted its period", period, halt)
