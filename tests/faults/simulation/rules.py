"""What must hold whenever a run is written, and whenever a mark moves."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain import run as domain
from shared.domain.lease import RefusedLease
from shared.domain.run import Reason, RunStatus
from shared.domain.schedule import OverlapPolicy
from tests.faults.simulation.journal import ViolationError
from tests.faults.simulation.rows import Run, ScheduleRow

EARLY = timedelta(seconds=2)
"""By which a worker may start a run before its instant: clocks differ."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run's connector is like at the moment of a change of the run."""

    is_usable: bool
    active: Run | None
    """Its run in progress."""
    is_kept: bool
    """Another of its runs keeps it: between two slices, or put off by the provider."""
    is_put_off: bool
    """Another of its runs is put off by the provider."""


def require(holds: bool, rule: str, *facts: object) -> None:
    """Raise `ViolationError` with the rule and the facts if it does not hold."""
    if not holds:
        raise ViolationError(f"{rule}: {' | '.join(map(str, facts))}")


def check_new_run(run: Run) -> None:
    """Check a run that is written for the first time."""
    require(
        run.status in (RunStatus.SCHEDULED, RunStatus.SKIPPED),
        "a new run is scheduled or skipped",
        run,
        run.status,
    )
    _check_end(run)


def check_write(before: Run, after: Run, *, fence: int | None) -> None:
    """Check one change of a run; `fence` is what the worker holds that writes it."""
    require(
        (before.key, before.period_at) == (after.key, after.period_at),
        "a run keeps its identity",
        before,
        after,
    )
    require(
        fence is None or fence == before.fence,
        "a worker that lost its lease writes nothing",
        after,
        fence,
        before.fence,
    )
    require(
        after.fence >= before.fence and after.generation >= before.generation,
        "fence and generation only grow",
        before,
        after,
    )
    require(after.attempt <= after.max_attempts, "attempts stay within their number", after)
    require(
        before.attempt == after.attempt or before.status is not after.status,
        "only a lease begins an attempt",
        after,
    )
    _check_end(after)


def check_mark(row: ScheduleRow) -> None:
    """Check the marks of a schedule that was planned just now."""
    mark, following = row.planned_through, row.next_scheduled_at
    require(mark is not None, "a planned schedule has a mark", row.id)
    if row.highest_mark is not None:
        require(row.highest_mark <= mark, "the mark never goes back", row.highest_mark, mark)
    row.highest_mark = mark
    # Looking backwards is another search than the one that found it.
    previous = following and row.recurrence.previous_before(following)
    require(
        following is not None and mark < following and (previous is None or previous <= mark),
        "the next period is the first after the mark",
        row.fields,
        mark,
        following,
        previous,
    )


def check_transition(around: Surroundings, before: Run, after: Run, now: datetime) -> None:
    """Check that the states of a run follow each other, and that this is the time for it."""
    require(
        after.status in domain.TRANSITIONS[before.status],
        "every transition is in the table",
        before.status,
        after.status,
        after,
    )
    if before.status.is_final:
        require(
            before.period_at is not None
            and before.period_at > now
            and not before.has_started
            and before.reason != Reason.CANCELLED_BY_USER,
            "only a period to come that never started is decided anew",
            before,
            before.reason,
        )
    if after.status is RunStatus.IN_PROGRESS:
        _check_start(around, before, after, now)
    if (before.status, after.status) == (RunStatus.IN_PROGRESS, RunStatus.SCHEDULED):
        least = 0 if after.slices > before.slices else before.attempt - 1
        require(
            least <= after.attempt <= before.attempt,
            "a run gets an attempt back for a wait that was asked for, and all for a slice",
            before,
            before.attempt,
            after.attempt,
        )
    if after.status is RunStatus.SKIPPED and after.reason == Reason.OVERLAP:
        require(
            (around.active is not None or around.is_kept)
            and not after.trigger.is_interactive
            and after.slices == 0,
            "a run is skipped for an overlap only while another is on its way",
            after,
        )


def _check_start(around: Surroundings, before: Run, after: Run, now: datetime) -> None:
    require(around.active is None, "one run of a connector is in progress", around.active, after)
    require(not around.is_put_off, "who asks to be left alone is left alone", after)
    require(
        (after.fence, after.attempt) == (before.fence + 1, before.attempt + 1),
        "a lease raises fence and attempt by one",
        after,
    )
    require(before.not_before_at <= now + EARLY, "no run starts before its instant", after)
    require(around.is_usable, "no run of a connector that cannot be used starts", after)


def _check_end(run: Run) -> None:
    require(
        run.status.is_final == (run.completed_at is not None),
        "a run has an end when it ended",
        run,
        run.status,
        run.completed_at,
    )
    require(
        run.status not in (RunStatus.ERROR, RunStatus.SKIPPED, RunStatus.CANCELLED)
        or run.reason is not None,
        "every end but success has a reason",
        run,
    )
    require(
        run.status is not RunStatus.SCHEDULED or run.attempt < run.max_attempts,
        "a run that waits has an attempt left",
        run,
        run.attempt,
        run.max_attempts,
    )
    require(
        run.status is not RunStatus.IN_PROGRESS or run.lease_expires_at is not None,
        "a run in progress has a lease",
        run,
    )


def check_refused(facts: RefusedLease, after: Run) -> None:
    """Check what became of a run whose lease was not taken."""
    require(
        after.status is _expected_refused(facts),
        "its policy says what becomes of a run that may not start",
        after,
        facts,
        after.status,
    )
    if after.status is RunStatus.SCHEDULED and not facts.is_stale:
        require(after.admitted_at is None, "a run that may not start gives its place back", after)


def _expected_refused(facts: RefusedLease) -> RunStatus:
    if facts.status is not RunStatus.SCHEDULED or facts.is_stale:
        return facts.status
    if not facts.connector_is_usable:
        return RunStatus.SKIPPED
    is_on_its_way = facts.trigger_type.is_interactive or facts.has_slices
    may_wait = is_on_its_way or (
        facts.overlap_policy is OverlapPolicy.QUEUE_ONE and not facts.another_waits
    )
    is_free = facts.is_too_early or not facts.overlaps
    return RunStatus.SCHEDULED if is_free or may_wait else RunStatus.SKIPPED
