"""What a tick does with one schedule: which periods become runs, which are skipped and why.

A function from values to a value. The high-water mark `planned_through` moves over every period
that it decides, so that each has a row and none is decided twice. A preview asks the same function.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby
from uuid import UUID

from shared.domain.blackout import BlackoutWindow, blackout_at, free_start
from shared.domain.recurrence import Recurrence
from shared.domain.run import Reason, scheduled_key
from shared.domain.schedule import BlackoutPolicy, MissedRunPolicy, Schedule
from shared.domain.spread import spread_offset

ON_TIME = timedelta(seconds=60)
"""A period that is late by less than a tick was not missed."""

MAX_PERIODS = 1_000
"""How many periods one pass decides for one schedule; the next pass goes on from there."""

_SMALLEST = timedelta(microseconds=1)
_MAX_STEPS_BACK = 5_000
"""How many halted periods are looked at for the newest that is not."""

MAX_SINGLE_SKIPS = 100
"""How many skipped periods get a row of their own; older ones share one row with a count."""


@dataclass(frozen=True, slots=True)
class PlannedPeriod:
    """A period and its fate: a run, or with `reason` a skip that stands for `count` periods."""

    period_at: datetime
    not_before_at: datetime
    idempotency_key: str
    reason: Reason | None = None
    count: int = 1
    last_period_at: datetime | None = None
    """The last of the periods that a skip stands for, when it stands for more than one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one schedule: rows to write, and where its marks go."""

    periods: tuple[PlannedPeriod, ...]
    planned_through: datetime
    next_scheduled_at: datetime | None
    is_whole: bool
    """False when periods up to the horizon are left for another pass."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """What decides over the periods of a recurrence: all of a schedule but its identity."""

    connector_is_usable: bool
    paused_until: datetime | None
    missed_run_policy: MissedRunPolicy
    catch_up_window: timedelta
    blackout_policy: BlackoutPolicy
    blackouts: tuple[BlackoutWindow, ...]
    offset: timedelta
    """By which spread delays every start."""
    single_skips: int


@dataclass(frozen=True, slots=True)
class _Fate:
    """A period, or several that are skipped for one reason."""

    period_at: datetime
    reason: Reason | None
    starts_at: datetime
    count: int = 1
    last_period_at: datetime | None = None


def plan(
    schedule: Schedule,
    recurrence: Recurrence,
    now: datetime,
    look_ahead: timedelta,
    *,
    most: int = MAX_PERIODS,
    single_skips: int = MAX_SINGLE_SKIPS,
) -> Plan:
    """Decide every period after the mark up to `now + look_ahead`, at most `most` of them.

    Of the skipped ones the newest `single_skips` get a row of their own.
    """
    horizon = now + look_ahead
    first = recurrence.next_after(schedule.planned_through)
    if first is None or first > horizon or most < 1:
        return Plan((), max(horizon, schedule.planned_through), first, is_whole=True)
    rules = _rules(schedule, single_skips)
    fates, last = _decide_all(rules, recurrence, first, horizon, now, most)
    mark = horizon if last is None else last
    return Plan(
        periods=tuple(_period(schedule.connector_public_id, fate) for fate in fates),
        planned_through=mark,
        next_scheduled_at=recurrence.next_after(mark),
        is_whole=last is None,
    )


def newest_due(schedule: Schedule, recurrence: Recurrence, now: datetime) -> datetime | None:
    """Return the newest period without a row up to `now` that nothing halts.

    Unless the policy is to run all, no other that has come can run.
    """
    first = recurrence.next_after(schedule.planned_through)
    if first is None or first > now:
        return None
    return _newest_due(_rules(schedule, MAX_SINGLE_SKIPS), recurrence, first, now)


def _rules(schedule: Schedule, single_skips: int) -> _Rules:
    return _Rules(
        connector_is_usable=schedule.connector_is_usable,
        paused_until=schedule.paused_until,
        missed_run_policy=schedule.missed_run_policy,
        catch_up_window=schedule.catch_up_window,
        blackout_policy=schedule.blackout_policy,
        blackouts=schedule.blackouts,
        offset=spread_offset(schedule.connector_public_id, schedule.spread),
        single_skips=single_skips,
    )


@lru_cache(maxsize=256)
def _decide_all(
    rules: _Rules,
    recurrence: Recurrence,
    first: datetime,
    horizon: datetime,
    now: datetime,
    most: int,
) -> tuple[Sequence[_Fate], datetime | None]:
    """Decide the periods from `first` on; return the last one too if others may follow it.

    Remembered: of many schedules that are due at once, most have rules and recurrence in common.
    """
    instants = [first, *recurrence.between(first, horizon, most - 1)]
    newest = _newest_due(rules, recurrence, first, now) if first <= now else None
    fates = [
        _decide(rules, recurrence, instant, now, is_newest=instant == newest)
        for instant in instants
    ]
    rows = tuple(_fold(fates, rules.single_skips, now))
    return rows, instants[-1] if len(instants) == most else None


def _newest_due(
    rules: _Rules, recurrence: Recurrence, first: datetime, now: datetime
) -> datetime | None:
    """Return the newest period from `first` to `now` that is not halted, in any pass."""
    instant = recurrence.previous_before(now + _SMALLEST)
    for _ in range(_MAX_STEPS_BACK):
        if instant is None or instant < first:
            return None
        if _halt(rules, instant) is None:
            return instant
        instant = recurrence.previous_before(instant)
    return None


def _decide(
    rules: _Rules, recurrence: Recurrence, instant: datetime, now: datetime, *, is_newest: bool
) -> _Fate:
    reason = _halt(rules, instant)
    if reason is not None:
        return _Fate(instant, reason, instant + rules.offset)
    blackout = blackout_at(rules.blackouts, instant) if rules.blackouts else None
    # A period that a window holds back comes due at the window's end.
    due_at = instant if blackout is None or blackout.ends_at is None else blackout.ends_at
    reason = _miss(rules, now - due_at, is_newest=is_newest) if due_at <= now else None
    if reason is None and due_at > instant and _is_followed(rules, recurrence, instant, due_at):
        reason = Reason.COALESCED
    if reason is not None or not rules.blackouts:
        return _Fate(instant, reason, instant + rules.offset)
    starts_at = free_start(rules.blackouts, due_at + rules.offset, now)
    if starts_at is None:
        return _Fate(instant, Reason.BLACKOUT, instant + rules.offset)
    return _Fate(instant, None, starts_at)


def _is_followed(
    rules: _Rules, recurrence: Recurrence, instant: datetime, window_end: datetime
) -> bool:
    """Tell whether a later period does for this one: one run when the window ends is enough."""
    following = recurrence.next_after(instant)
    return (
        rules.missed_run_policy is not MissedRunPolicy.RUN_ALL
        and following is not None
        and following <= window_end
    )


def _halt(rules: _Rules, instant: datetime) -> Reason | None:
    """Return why nothing runs for this period, however early or late it is decided."""
    if not rules.connector_is_usable:
        return Reason.CONNECTOR_UNAVAILABLE
    if rules.paused_until is not None and instant < rules.paused_until:
        return Reason.PAUSED
    if rules.blackouts:
        blackout = blackout_at(rules.blackouts, instant)
        if blackout is not None and (
            rules.blackout_policy is BlackoutPolicy.SKIP or blackout.ends_at is None
        ):
            return Reason.BLACKOUT
    return None


def _miss(rules: _Rules, lateness: timedelta, *, is_newest: bool) -> Reason | None:
    """Return why a period whose instant has passed is not run any more."""
    is_missed = lateness >= ON_TIME
    is_too_late = is_missed and lateness > rules.catch_up_window
    match rules.missed_run_policy:
        case MissedRunPolicy.SKIP:
            return Reason.MISSED_WINDOW if is_missed else None
        case MissedRunPolicy.RUN_ALL:
            return Reason.MISSED_WINDOW if is_too_late else None
        case MissedRunPolicy.RUN_ONCE if is_too_late:
            return Reason.MISSED_WINDOW
        case MissedRunPolicy.RUN_ONCE:
            return None if is_newest else Reason.COALESCED


def _fold(fates: Sequence[_Fate], single_skips: int, now: datetime) -> Iterator[_Fate]:
    """Let the oldest skips share rows, until `single_skips` are left with one of their own.

    Periods to come always have their own: a changed schedule decides each of them anew.
    """
    to_fold = sum(fate.reason is not None for fate in fates) - single_skips
    for (reason, has_passed), group in groupby(
        fates, key=lambda fate: (fate.reason, fate.period_at <= now)
    ):
        members = list(group)
        may_fold = reason is not None and has_passed and to_fold > 0
        folded = members[:to_fold] if may_fold else []
        to_fold -= len(folded)
        if len(folded) > 1:
            yield replace(folded[0], count=len(folded), last_period_at=folded[-1].period_at)
            members = members[len(folded) :]
        yield from members


def _period(connector: UUID, fate: _Fate) -> PlannedPeriod:
    return PlannedPeriod(
        period_at=fate.period_at,
        not_before_at=fate.starts_at,
        idempotency_key=scheduled_key(connector, fate.period_at),
        reason=fate.reason,
        count=fate.count,
        last_period_at=fate.last_period_at,
    )
