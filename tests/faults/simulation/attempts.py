"""A worker's statements: lease, heartbeat, record; and whatever takes a run from its worker."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.lease import RefusedLease
from shared.domain.outcome import Outcome
from shared.domain.retry import backoff
from shared.domain.run import Reason, RunStatus
from tests.faults.simulation.rows import Run
from tests.faults.simulation.rules import EARLY
from tests.faults.simulation.store import Store

LEASE = timedelta(seconds=90)
_TASK_PATIENCE = timedelta(minutes=5)
_RUN_PATIENCE = timedelta(hours=2)


def lease_run(store: Store, run: Run, generation: int, now: datetime) -> Run | RefusedLease:
    """Take the lease if everything allows it; else return what stood in the way."""
    facts = _facts(store, run, generation, now)
    limit = store.schedules[run.schedule_id].workspace.max_concurrent_syncs
    if (
        facts.status is RunStatus.SCHEDULED
        and run.attempt < run.max_attempts
        and not facts.is_stale
        and facts.connector_is_usable
        and not facts.is_too_early
        and not facts.overlaps
        and _places_taken(store, run) < limit
    ):
        leased = replace(
            run,
            status=RunStatus.IN_PROGRESS,
            fence=run.fence + 1,
            attempt=run.attempt + 1,
            admitted_at=run.admitted_at or now,
            started_at=run.started_at or now,
            leased_at=now,
            lost_tasks=0,
            connector_held_until=None,
            lease_expires_at=now + LEASE,
        )
        return store.write(leased, now)
    return facts


def extend_lease(store: Store, run_id: int, fence: int, now: datetime) -> bool:
    """Keep the lease for a while longer; False when it is another worker's already."""
    run = store.runs[run_id]
    if run.status is not RunStatus.IN_PROGRESS or not _holds(run, fence):
        return False
    store.write(replace(run, lease_expires_at=now + LEASE), now, fence=fence)
    return True


def record_outcome(
    store: Store, run_id: int, fence: int, outcome: Outcome, now: datetime
) -> Run | None:
    """Record an attempt; None, and nothing written, if the fence was lost.

    A slice that is not the last keeps the place of its run.
    """
    run = store.runs[run_id]
    if run.status is not RunStatus.IN_PROGRESS or not _holds(run, fence):
        return None
    spent = run.attempt if outcome.attempts_spent is None else outcome.attempts_spent
    ended = replace(
        run, status=outcome.status, reason=outcome.reason, attempt=spent, lease_expires_at=None
    )
    if outcome.is_throttled:
        ended = replace(ended, throttled_since=run.throttled_since or now)
    if outcome.goes_on:
        ended = replace(ended, throttled_since=None)
        ended = replace(put_back(ended), admitted_at=now, slices=run.slices + 1)
    elif outcome.retry_in is not None:
        asked = outcome.connector_held_for
        ended = replace(
            put_back(ended),
            not_before_at=now + outcome.retry_in,
            connector_held_until=None if asked is None else now + asked,
        )
    else:
        ended = replace(ended, completed_at=now)
    return store.write(ended, now, fence=fence)


def put_back(run: Run) -> Run:
    """Return a run without place and task: it waits in the table for others."""
    return replace(run, admitted_at=None, enqueued_at=None, generation=run.generation + 1)


def skip_run(store: Store, run: Run, reason: Reason, now: datetime) -> None:
    """End a run that may not start, or not again, with the reason."""
    if run.status is RunStatus.SCHEDULED:
        ended = replace(run, status=RunStatus.SKIPPED, reason=reason, completed_at=now)
        store.write(ended, now)


def cancel_runs(store: Store, runs: Iterable[Run], reason: Reason, now: datetime) -> None:
    """End runs that wait or are in progress; a worker that has one finds its fence gone."""
    for run in runs:
        ended = replace(
            put_back(run),
            status=RunStatus.CANCELLED,
            reason=reason,
            fence=run.fence + 1,
            lease_expires_at=None,
            completed_at=now,
        )
        store.write(ended, now)


def rescue_expired_leases(store: Store, now: datetime) -> None:
    """Take back the runs of silent workers: another attempt if one is left in time, or the end."""
    for run in store.in_progress():
        if run.lease_expires_at >= now:
            continue
        goes_on = run.attempt < run.max_attempts and run.leased_at >= now - _RUN_PATIENCE
        taken = replace(put_back(run), fence=run.fence + 1, lease_expires_at=None)
        if goes_on:
            start = now + backoff(run.key, run.attempt)
            rescued = replace(taken, status=RunStatus.SCHEDULED, not_before_at=start, reason=None)
        else:
            rescued = replace(
                taken, status=RunStatus.ERROR, reason=Reason.TIMED_OUT, completed_at=now
            )
        store.write(rescued, now)


def rescue_lost_tasks(store: Store, now: datetime) -> None:
    """Let runs whose task should have come long ago wait for another; patience doubles."""
    for run in list(store.unfinished.values()):
        if (
            run.status is RunStatus.SCHEDULED
            and run.enqueued_at is not None
            and run.not_before_at < now - _TASK_PATIENCE
            and run.enqueued_at < now - _TASK_PATIENCE * 2 ** min(run.lost_tasks, 4)
        ):
            store.journal.note(now, "task lost", run)
            store.write(replace(put_back(run), lost_tasks=run.lost_tasks + 1), now)


def _places_taken(store: Store, run: Run) -> int:
    """Count the places that others hold: of runs between two slices, against those to begin."""
    taken = store.number_in_progress(run.workspace_id)
    if run.slices == 0:
        taken += sum(
            other.is_between_slices and other.admitted_at is not None
            for other in store.waiting(run.workspace_id)
        )
    return taken


def _holds(run: Run, fence: int) -> bool:
    return run.fence == fence


def _overlaps(store: Store, run: Run, now: datetime) -> bool:
    """Tell whether another run of the connector is in progress, or keeps it while it waits."""
    active = store.active(run)
    if active is not None and active.id != run.id:
        return True
    keepers = store.keepers_of(run.schedule_id)
    return any(other.keeps_connector_from(run, now) for other in keepers)


def _facts(store: Store, run: Run, generation: int, now: datetime) -> RefusedLease:
    schedule = store.schedules[run.schedule_id]
    return RefusedLease(
        status=run.status,
        is_stale=run.generation != generation,
        has_slices=run.slices > 0,
        trigger_type=run.trigger,
        overlap_policy=schedule.overlap_policy,
        connector_is_usable=schedule.is_usable,
        is_too_early=run.not_before_at > now + EARLY,
        is_halted=False,
        overlaps=_overlaps(store, run, now),
        another_waits=any(
            other.id < run.id
            and other.not_before_at <= run.not_before_at
            and not other.is_between_slices
            for other in store.waiting_of(run.schedule_id)
        ),
    )
