"""Admission's statements: which waiting runs get a place of their workspace, and a task."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.run import Reason, RunStatus
from shared.domain.schedule import OverlapPolicy
from tests.faults.simulation.rows import Run, Workspace
from tests.faults.simulation.store import Store

_UNCONFIRMED_AFTER = timedelta(seconds=30)


def admit_at_once(
    store: Store, now: datetime, horizon: datetime, page: int, workspace: Workspace
) -> Sequence[Run]:
    """Give waiting runs the free places of their workspace, with nobody in between."""
    chosen = choose_runs(store, now, horizon, page, workspace)
    unlock_runs(store, chosen)
    return admit_runs(store, chosen, now)


def choose_runs(
    store: Store, now: datetime, horizon: datetime, page: int, workspace: Workspace
) -> Sequence[Run]:
    """Lock the runs that get the free places of their workspace: interactive ones first.

    Whoever chooses meanwhile steps over them, and does not see that their places are taken.
    """
    held = [run.not_before_at for run in _holding(store, workspace)]
    free = workspace.max_concurrent_syncs - sum(start <= now for start in held)
    if free <= 0:
        return []
    candidates = sorted(
        (
            run
            for run in store.waiting(workspace.id)
            if run.admitted_at is None
            and run.id not in store.being_admitted
            and run.not_before_at <= horizon
            and not _must_wait(store, run, now)
        ),
        key=lambda run: run.place,
    )
    chosen = [
        run
        for number, run in enumerate(candidates[: min(free, page)], start=1)
        if number + sum(start <= max(run.not_before_at, now) for start in held)
        <= workspace.max_concurrent_syncs
    ]
    store.being_admitted.update(run.id for run in chosen)
    return chosen


def admit_runs(store: Store, chosen: Sequence[Run], now: datetime) -> Sequence[Run]:
    """Give chosen runs their places, unless they moved on."""
    return [
        store.write(replace(run, admitted_at=now), now)
        for run in chosen
        if store.runs[run.id] is run
    ]


def unlock_runs(store: Store, chosen: Sequence[Run]) -> None:
    """Let others choose among these runs again."""
    store.being_admitted.difference_update(run.id for run in chosen)


def hand_over(store: Store, workspace: Workspace, now: datetime) -> Run | None:
    """Give the place of a run that ended to the next of its workspace."""
    waiting = [
        run
        for run in store.waiting(workspace.id)
        if run.admitted_at is None
        and run.id not in store.being_admitted
        and run.not_before_at <= now
        and not _must_wait(store, run, now)
    ]
    if not waiting:
        return None
    following = min(waiting, key=lambda run: run.place)
    return store.write(replace(following, admitted_at=now), now)


def skip_overlapping(store: Store, now: datetime) -> None:
    """Skip what waits for a place and came due while its connector was busy; queue_one keeps one.

    Retries and interactive runs wait on.
    """
    keeping = [run for run in store.keepers() if run.is_between_slices or run.is_put_off(now)]
    for active in [*store.in_progress(), *keeping]:
        late = [
            run
            for run in store.waiting_of(active.schedule_id)
            if run.admitted_at is None
            and not run.trigger.is_interactive
            and not run.has_started
            and active.started_at < run.not_before_at <= now
        ]
        late.sort(key=lambda run: run.place)
        policy = store.schedules[active.schedule_id].overlap_policy
        kept = 1 if policy is OverlapPolicy.QUEUE_ONE else 0
        for run in late[kept:]:
            skipped = replace(
                run, status=RunStatus.SKIPPED, reason=Reason.OVERLAP, completed_at=now
            )
            store.write(skipped, now)


def runs_wanting_a_task(store: Store, now: datetime) -> Sequence[Run]:
    """Return runs that were given a place and whose task was never confirmed."""
    return [
        run
        for run in store.unfinished.values()
        if run.status is RunStatus.SCHEDULED
        and run.enqueued_at is None
        and run.admitted_at is not None
        and run.admitted_at < now - _UNCONFIRMED_AFTER
    ]


def mark_enqueued(store: Store, taken: Iterable[Run], now: datetime) -> None:
    """Note which tasks were taken, unless the run moved on in the meantime."""
    for task in taken:
        run = store.runs[task.id]
        if (
            run.generation == task.generation
            and run.enqueued_at is None
            and run.completed_at is None
        ):
            store.write(replace(run, enqueued_at=now), now)


def _holding(store: Store, workspace: Workspace) -> Sequence[Run]:
    return [
        run
        for run in store.unfinished.values()
        if run.workspace_id == workspace.id and run.admitted_at is not None
    ]


def _must_wait(store: Store, run: Run, now: datetime) -> bool:
    """Tell whether a run waits for the one that its connector is on, without a place."""
    if run.not_before_at > now:
        return False
    policy = store.schedules[run.schedule_id].overlap_policy
    if not (run.trigger.is_interactive or policy is OverlapPolicy.QUEUE_ONE or run.slices > 0):
        return False
    keepers = store.keepers_of(run.schedule_id)
    return store.active(run) is not None or any(
        other.keeps_connector_from(run, now) for other in keepers
    )
