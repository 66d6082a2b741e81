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

from shared.domain.blackout import BlackoutWindow, blackout_at
from shared.domain.recurrence import Recurrence
from shared.domain.run import Reason, scheduled_key
from shared.domain.schedule import BlackoutPolicy, MissedRunPolicy, Schedule
from shared.domain.spread import spread_offset

ON_TIME = timedelta(seconds=60)
"""A period that is late by less than a tick was not missed."""

MAX_PERIODS = 1_000
"""How many periods one pass decides for one schedule; the next pass goes on from there."""

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
    rules = _Rules(
        connector_is_usable=schedule.connector_is_usable,
        paused_until=schedule.paused_until,
        missed_run_policy=schedule.missed_run_policy,
        catch_up_window=schedule.catch_up_window,
        blackout_policy=schedule.blackout_policy,
        blackouts=schedule.blackouts,
        offset=spread_offset(schedule.connector_public_id, schedule.spread),
        single_skips=single_skips,
    )
    fates, last = _decide_all(rules, recurrence, first, horizon, now, most)
    mark = horizon if last is None else last
    return Plan(
        periods=tuple(_period(schedule.connector_public_id, fate) for fate in fates),
        planned_through=mark,
        next_scheduled_at=recurrence.next_after(mark),
        is_whole=last is None,
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
    newest = _newest_due(rules, recurrence, instants, now)
    fates = [
        _decide(rules, recurrence, instant, now, is_newest=instant == newest)
        for instant in instants
    ]
    return tuple(_fold(fates, rules.single_skips)), instants[-1] if len(instants) == most else None


def _newest_due(
    rules: _Rules, recurrence: Recurrence, instants: Sequence[datetime], now: datetime
) -> datetime | None:
    due = [instant for instant in instants if instant <= now]
    if not due:
        return None
    following = recurrence.next_after(due[-1])
    if following is not None and following <= now:
        # In the middle of a long catch-up: a newer one follows in a later pass.
        return None
    return next((one for one in reversed(due) if _halt(rules, one) is None), None)


def _decide(
    rules: _Rules, recurrence: Recurrence, instant: datetime, now: datetime, *, is_newest: bool
) -> _Fate:
    reason = _halt(rules, instant)
    if reason is None and instant <= now:
        reason = _miss(rules, now - instant, is_newest=is_newest)
    if reason is not None or not rules.blackouts:
        return _Fate(instant, reason, instant + rules.offset)
    return _place(rules, recurrence, instant, now)


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


def _place(rules: _Rules, recurrence: Recurrence, instant: datetime, now: datetime) -> _Fate:
    """Find the start of a run that may have to wait for the end of a blackout window."""
    starts_at = instant + rules.offset
    blackout = blackout_at(rules.blackouts, instant)
    if blackout is not None and blackout.ends_at is not None:
        following = recurrence.next_after(instant)
        if (
            rules.missed_run_policy is not MissedRunPolicy.RUN_ALL
            and following is not None
            and following <= blackout.ends_at
        ):
            # One run when the window ends does for all of its periods.
            return _Fate(instant, Reason.COALESCED, starts_at)
        starts_at = blackout.ends_at + rules.offset
    # Spread or lateness must not carry the start into a window either.
    late = blackout_at(rules.blackouts, max(starts_at, now))
    if late is None:
        return _Fate(instant, None, starts_at)
    if late.ends_at is None:
        return _Fate(instant, Reason.BLACKOUT, starts_at)
    return _Fate(instant, None, late.ends_at)


def _fold(fates: Sequence[_Fate], single_skips: int) -> Iterator[_Fate]:
    """Let the oldest skips share rows, until `single_skips` are left with one of their own."""
    to_fold = sum(fate.reason is not None for fate in fates) - single_skips
    for reason, group in groupby(fates, key=lambda fate: fate.reason):
        members = list(group)
        folded = members[:to_fold] if reason is not None and to_fold > 0 else []
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
