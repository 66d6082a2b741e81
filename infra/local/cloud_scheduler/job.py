"""The life of one job as values: when it fires, skips, retries and pauses. No clock, no I/O."""

from dataclasses import dataclass, replace
from datetime import datetime

from infra.local.cloud_scheduler.retries import RetryPolicy
from shared.domain.recurrence import Recurrence

OK = 0
"""The google.rpc code of an attempt that the target acknowledged."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What decides the times of a job."""

    recurrence: Recurrence
    retry: RetryPolicy

    def next_after(self, instant: datetime) -> datetime:
        """Return the first firing after an instant; raise `OverflowError` beyond the year 9999."""
        following = self.recurrence.next_after(instant)
        if following is None:
            raise OverflowError("The calendar ends before the next firing.")
        return following


@dataclass(frozen=True, slots=True)
class Execution:
    """One firing of a job, from its first attempt to its acknowledgement or its last failure."""

    number: int
    scheduled_at: datetime
    """What the target is told, the same over all attempts."""
    first_attempt_at: datetime
    attempts: int
    retry_at: datetime | None = None
    """When the next attempt starts; None while an attempt is under way."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that is to be sent now."""

    execution: int
    number: int
    """1 is the first attempt of the execution."""
    scheduled_at: datetime


@dataclass(frozen=True, slots=True)
class JobState:
    """Everything about a job that changes by itself."""

    rule: Rule
    next_at: datetime
    """The next instant that the schedule names."""
    is_paused: bool = False
    executions: tuple[Execution, ...] = ()
    """What is outstanding: under way or waiting for a retry. Two only by a forced run."""
    started: int = 0
    """How many executions have been started; numbers them."""
    skipped: int = 0
    """How many instants of the schedule fell on an outstanding execution."""
    last_attempt_at: datetime | None = None
    last_code: int | None = None
    """The google.rpc code of the last attempt that ended."""

    @property
    def wake_at(self) -> datetime | None:
        """When `due` next has something to say; None while the job is paused."""
        if self.is_paused:
            return None
        retries = [each.retry_at for each in self.executions if each.retry_at is not None]
        return min([self.next_at, *retries])


@dataclass(frozen=True, slots=True)
class Step:
    """A new state and the attempts that it asks for."""

    state: JobState
    attempts: tuple[Attempt, ...] = ()


def new_job(rule: Rule, now: datetime) -> JobState:
    """Return a job that waits for its first instant after `now`."""
    return JobState(rule=rule, next_at=rule.next_after(now))


def due(state: JobState, now: datetime) -> Step:
    """Start what is due at `now`: retries, and the scheduled execution if none is outstanding."""
    if state.is_paused:
        return Step(state)
    step = _retry(state, now)
    if now < state.next_at:
        return step
    scheduled_at = state.next_at
    # Instants that passed while this machine slept are not made up for one by one.
    planned = replace(step.state, next_at=state.rule.next_after(max(now, scheduled_at)))
    if planned.executions:
        return Step(replace(planned, skipped=planned.skipped + 1), step.attempts)
    return _start(planned, scheduled_at, now)


def force(state: JobState, now: datetime) -> Step:
    """Start an execution at once, whatever is paused or outstanding; it carries the next time."""
    scheduled_at = state.rule.next_after(now) if state.is_paused else state.next_at
    return _start(state, scheduled_at, now)


def finish(state: JobState, execution: int, code: int, now: datetime) -> JobState:
    """Record how the attempt of an execution ended: `OK`, or the code of its failure."""
    ended = next((each for each in state.executions if each.number == execution), None)
    if ended is None:
        return state
    retry_at = None
    if code != OK and not state.is_paused:
        retry_at = state.rule.retry.retry_at(
            attempts=ended.attempts, first_attempt_at=ended.first_attempt_at, now=now
        )
    waiting = () if retry_at is None else (replace(ended, retry_at=retry_at),)
    others = tuple(each for each in state.executions if each.number != execution)
    return replace(state, executions=others + waiting, last_code=code)


def forget(state: JobState, execution: int) -> JobState:
    """Drop an execution that was lost on its way out: nobody answers and nothing is retried."""
    left = tuple(each for each in state.executions if each.number != execution)
    return replace(state, executions=left)


def pause(state: JobState) -> JobState:
    """Stop the schedule and the retries that wait; an attempt under way goes on."""
    under_way = tuple(each for each in state.executions if each.retry_at is None)
    return replace(state, is_paused=True, executions=under_way)


def resume(state: JobState, now: datetime) -> JobState:
    """Go on with the first instant after `now`; what passed meanwhile is not made up for."""
    return replace(state, is_paused=False, next_at=state.rule.next_after(now))


def change(state: JobState, rule: Rule, now: datetime) -> JobState:
    """Follow another rule from `now` on; what is outstanding stays so."""
    return replace(state, rule=rule, next_at=rule.next_after(now))


def _start(state: JobState, scheduled_at: datetime, now: datetime) -> Step:
    number = state.started + 1
    execution = Execution(number, scheduled_at, first_attempt_at=now, attempts=1)
    started = replace(
        state,
        executions=(*state.executions, execution),
        started=number,
        last_attempt_at=now,
    )
    return Step(started, (Attempt(number, 1, scheduled_at),))


def _retry(state: JobState, now: datetime) -> Step:
    executions: list[Execution] = []
    attempts: list[Attempt] = []
    for each in state.executions:
        if each.retry_at is None or each.retry_at > now:
            executions.append(each)
            continue
        again = replace(each, attempts=each.attempts + 1, retry_at=None)
        executions.append(again)
        attempts.append(Attempt(again.number, again.attempts, again.scheduled_at))
    if not attempts:
        return Step(state)
    retried = replace(state, executions=tuple(executions), last_attempt_at=now)
    return Step(retried, tuple(attempts))
