"""A tick over the simulated tables, in the steps between which it can be killed or overtaken."""

from collections.abc import Generator, Sequence
from datetime import datetime
from random import Random

from tests.faults.simulation.attempts import rescue_expired_leases, rescue_lost_tasks
from tests.faults.simulation.places import (
    admit_at_once,
    admit_runs,
    choose_runs,
    mark_enqueued,
    runs_wanting_a_task,
    skip_overlapping,
    unlock_runs,
)
from tests.faults.simulation.planning import plan_due
from tests.faults.simulation.rows import Run, Workspace
from tests.faults.simulation.store import Store
from tests.faults.simulation.task_queue import TaskQueue

_PAGE = 20


def tick(store: Store, queue: TaskQueue, chance: Random, now: datetime) -> Generator[None]:
    """Do what is due as of `now`; yields wherever one transaction ended and none has begun."""
    rescue_expired_leases(store, now)
    yield
    rescue_lost_tasks(store, now)
    yield
    yield from plan_due(store, chance, now)
    yield
    skip_overlapping(store, now)
    yield
    yield from _make_tasks(store, queue, runs_wanting_a_task(store, now), now)
    for workspace in store.workspaces:
        admitted = yield from _admit(store, workspace, now)
        yield
        yield from _make_tasks(store, queue, admitted, now)


def enqueue_workspace(store: Store, queue: TaskQueue, workspace: Workspace, now: datetime) -> None:
    """Enqueue at once what a change of schedules planned, or what somebody asked for."""
    admitted = admit_at_once(store, now, now + store.look_ahead, _PAGE, workspace)
    for _ in _make_tasks(store, queue, admitted, now):
        pass


def _admit(
    store: Store, workspace: Workspace, now: datetime
) -> Generator[None, None, Sequence[Run]]:
    chosen = choose_runs(store, now, now + store.look_ahead, _PAGE, workspace)
    try:
        if chosen:
            yield
        return admit_runs(store, chosen, now)
    finally:
        unlock_runs(store, chosen)


def _make_tasks(
    store: Store, queue: TaskQueue, runs: Sequence[Run], now: datetime
) -> Generator[None]:
    if not runs:
        return
    taken = [run for run in runs if queue.create(run)]
    yield
    mark_enqueued(store, taken, now)
