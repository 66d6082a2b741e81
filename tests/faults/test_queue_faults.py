"""Cloud Tasks loses, doubles, delays and reorders; the worker and its users see nothing of it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from time import monotonic, sleep

import pytest
from google.api_core.exceptions import AlreadyExists

from infra.local.cloud_tasks.faults import Fault, FaultKind
from infra.local.cloud_tasks.running import RunningCloudTasks
from shared.crash_points import CrashPoint, arm
from shared.domain.run import task_id
from shared.errors import TransientError
from shared.flow import enqueue, tick
from shared.gcp import task_queue
from shared.store.ticks import TickReport
from tests.faults.conftest import MakeWorld
from tests.faults.deployment import (
    PATIENCE,
    Deployment,
    NotDrainedError,
    deployed,
    outlast_the_hour,
)
from tests.faults.scale import new_seed, rounds, share
from tests.faults.threaded_ledger import Troubles

__all__ = ["outlast_the_hour"]  # a fixture
pytestmark = pytest.mark.timeout(rounds(300, 1_800))

PLACES = 1_000
"""Of a workspace, so that every run that is due gets its task at once."""
HALT_SECONDS = 20.0
NAP_SECONDS = 0.02
FEW_TICKS = 2
"""After so many, tasks that got lost have come again or never will."""
ALONE: dict[str, Fault] = {
    "delivered again": Fault(FaultKind.DELIVER_TWICE, probability=0.5),
    "delivered twice at once": Fault(FaultKind.DELIVER_TWICE_AT_ONCE, probability=0.5),
    "dropped": Fault(FaultKind.DROP, probability=0.4),
    "delayed": Fault(FaultKind.DELAY, probability=0.4, seconds=0.6),
    "reordered": Fault(FaultKind.REORDER, seconds=0.4),
    "taken without a reply": Fault(FaultKind.LOSE_REPLY, probability=0.5),
    "refused": Fault(FaultKind.UNAVAILABLE, probability=0.5),
}
AT_ONCE = [
    fault
    for alone in ALONE.values()
    for fault in (
        Fault(alone.kind, times=1, seconds=alone.seconds),  # so that each happens
        Fault(alone.kind, probability=alone.probability / 2, seconds=alone.seconds),
    )
]
FAULTS: Mapping[str, Sequence[Fault]] = {
    "in every trouble at once": AT_ONCE,
    **rounds({}, {name: [fault] for name, fault in ALONE.items()}),
}


@pytest.fixture
def deployment(new_world: MakeWorld, cloud_tasks: RunningCloudTasks) -> Iterator[Deployment]:
    connectors, periods, records = rounds((4, 3, 14), (40, 10, 40))
    world = new_world(
        connectors=connectors, periods=periods, records=records, max_concurrent_syncs=4
    )
    with deployed(world, cloud_tasks) as deployment:
        yield deployment


def seeded(faults: Sequence[Fault], seed: int) -> list[Fault]:
    return [replace(fault, seed=seed) for fault in faults]


def let_time_pass(deployment: Deployment, seed: int) -> None:
    """Tick, let sources grow and people ask for runs, while the queue does what it does."""
    places = range(len(deployment.world.connectors))
    for number in range(rounds(6, 40)):
        deployment.grow(int(share(seed, "grow", number) * len(places)))
        deployment.request([place for place in places if share(seed, number, place) < 1 / 3])
        deployment.tick()
        sleep(PATIENCE.task.total_seconds() * share(seed, "pause", number))


def events(deployment: Deployment) -> Counter[str]:
    return Counter(
        dict(deployment.world.rows("SELECT kind, count(*) FROM sync_log_event GROUP BY kind"))
    )


def purge_all_tasks(deployment: Deployment) -> int:
    """Let the queues fill, and lose every task; return how many."""
    deployment.queues.pause()
    deployment.tick()
    count = len(deployment.queues.tasks())
    deployment.queues.purge()
    deployment.queues.resume()
    assert count > 0
    assert deployment.queues.tasks() == []
    return count


def refuse_all_tasks(deployment: Deployment) -> int:
    """Let Cloud Tasks take none of the tasks of a tick; return how many."""
    deployment.queues.set_faults(Fault(FaultKind.UNAVAILABLE))
    count = tick_without_patience(deployment).enqueue_failures
    assert deployment.queues.end_faults()[FaultKind.UNAVAILABLE] == count > 0
    return count


def tick_without_patience(deployment: Deployment) -> TickReport:
    """Tick with a dispatcher that is cut off before it can repeat a call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_queue, "_PATIENCE_SECONDS", 0.0)
        return deployment.tick()


def tick_and_confirm_late(deployment: Deployment) -> None:
    """Tick with a dispatcher that halts before it notes its tasks, until their runs have failed."""

    def wait_for_failures(point: CrashPoint) -> None:
        if point is CrashPoint.TASKS_MADE and threading.current_thread() is threading.main_thread():
            until = monotonic() + HALT_SECONDS
            while generations(deployment).keys() != {(1, False)}:
                assert monotonic() < until, "the runs do not fail"
                sleep(NAP_SECONDS)

    arm(wait_for_failures)
    try:
        deployment.tick()
    finally:
        arm(None)


def generations(deployment: Deployment) -> Counter[tuple[int, bool]]:
    """Return how many waiting runs are of each generation, and whether their task is confirmed."""
    rows = deployment.world.rows(
        "SELECT task_generation, enqueued_at IS NOT NULL FROM workspace_connector_sync_log"
        " WHERE status = 'scheduled' AND (admitted_at IS NOT NULL OR started_at IS NOT NULL)"
    )
    return Counter(rows)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_queue_changes_nothing_but_time(deployment: Deployment, name: str) -> None:
    seed = new_seed(name)
    deployment.queues.set_faults(*seeded(FAULTS[name], seed))
    let_time_pass(deployment, seed)
    hits = deployment.queues.end_faults()
    print(f"{name}: {dict(hits)}, {dict(deployment.queues.stats())}")

    ticks = deployment.drain()

    print(f"drained by {ticks} ticks: {dict(events(deployment))}")
    assert [fault.kind for fault in FAULTS[name] if not hits[fault.kind]] == []
    assert events(deployment)["task_lost"] >= min(hits[FaultKind.DROP], 1)
    twice = hits[FaultKind.DELIVER_TWICE] + hits[FaultKind.DELIVER_TWICE_AT_ONCE]
    deployment.end_well(f"tasks {name}", duplicates=twice)


def test_a_queue_that_restarts_empty_costs_its_tasks_and_nothing_else(
    deployment: Deployment,
) -> None:
    deployment.tick()
    sleep(PATIENCE.task.total_seconds() / 4)
    before = deployment.queues.stats()
    deployment.queues.restart_empty()
    # Nobody has made the queues again yet: dispatcher and worker find none, and go on.
    deployment.bear()
    refused = deployment.tick()
    deployment.queues.make()

    ticks = deployment.drain()

    print(f"{dict(before)} lost, {refused.enqueue_failures} refused, drained by {ticks} ticks")
    assert before["tasks"] > 0
    assert refused.enqueue_failures > 0
    deployment.end_well("a queue restarted empty")


def test_tasks_that_the_queue_gave_up_are_ordered_anew(
    new_world: MakeWorld, cloud_tasks: RunningCloudTasks
) -> None:
    world = new_world(connectors=rounds(6, 40), periods=2, max_concurrent_syncs=PLACES)
    with deployed(world, cloud_tasks, attempts=2, is_away=True) as deployment:
        deployment.tick()
        deployment.queues.settle()
        given_up = deployment.queues.stats()["given_up"]
        with deployment.worker.listening():
            ticks = deployment.drain()

            print(f"{given_up} tasks given up, drained by {ticks} ticks")
            assert given_up == len(world.connectors) * 2
            deployment.end_well("tasks given up")


def test_a_task_that_exists_counts_as_taken_for_its_own_generation_alone(
    new_world: MakeWorld, cloud_tasks: RunningCloudTasks
) -> None:
    connectors, periods = rounds((4, 3), (250, 2))  # no more than a tick takes back at once
    world = new_world(connectors=connectors, periods=periods, max_concurrent_syncs=PLACES)
    with deployed(world, cloud_tasks) as deployment:
        deployment.queues.pause()
        deployment.queues.set_faults(Fault(FaultKind.LOSE_REPLY))
        first = tick_without_patience(deployment)
        lost = deployment.queues.end_faults()[FaultKind.LOSE_REPLY]
        tasks = deployment.queues.tasks()
        assert (first.enqueued, first.enqueue_failures) == (0, lost)
        assert len(tasks) == lost > 0

        deployment.bear()
        second = deployment.tick()
        assert (second.enqueued, second.enqueue_failures) == (lost, 0)
        assert {task.name for task in deployment.queues.tasks()} == {task.name for task in tasks}
        assert generations(deployment) == {(0, True): lost}

        deployment.queues.purge()
        for task in tasks:
            # The name is not free: an order that bore it once more would be taken for done.
            with pytest.raises(AlreadyExists):
                deployment.queues.order_again([task])
        deployment.bear()
        assert deployment.tick().enqueued == lost
        assert generations(deployment) == {(1, True): lost}

        print(f"{lost} replies lost")
        deployment.queues.resume()
        deployment.drain()
        deployment.end_well("tasks that exist already")


def test_a_confirmation_that_comes_late_is_none_for_the_next_generation(
    new_world: MakeWorld, cloud_tasks: RunningCloudTasks
) -> None:
    world = new_world(workspaces=1, connectors=1, periods=1)
    troubles = Troubles({world.connectors[0]: TransientError("Not now.")})
    with deployed(world, cloud_tasks, trouble=troubles) as deployment:
        tick_and_confirm_late(deployment)

        assert generations(deployment) == {(1, False): 1}
        deployment.drain()
        deployment.end_well("tasks confirmed late")


WAYS_TO_LOSE: dict[str, Callable[[Deployment], int]] = {
    "purged": purge_all_tasks,
    "refused": refuse_all_tasks,
}


def always_first_id(key: str, _generation: int) -> str:
    return task_id(key, 0)


def nothing_rescued(*_: object) -> int:
    return 0


def nothing_wanted(*_: object, **__: object) -> list[object]:
    return []


MUTANTS: dict[str, tuple[object, str, object, str]] = {
    "names without a generation": (enqueue, "task_id", always_first_id, "purged"),
    "no rescue": (tick, "rescue", nothing_rescued, "purged"),
    "no second order": (enqueue, "runs_wanting_a_task", nothing_wanted, "refused"),
}
"""What is put in whose place, and how the tasks have to get lost for it to be noticed."""


@pytest.mark.parametrize("way", WAYS_TO_LOSE)
def test_a_full_queue_whose_tasks_are_gone_costs_time_and_nothing_else(
    deployment: Deployment, way: str
) -> None:
    count = WAYS_TO_LOSE[way](deployment)

    ticks = deployment.drain(most=FEW_TICKS)

    print(f"{count} tasks {way}, drained by {ticks} ticks")
    deployment.end_well(f"all tasks {way}")


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_queue_fault_is_noticed_where_a_protection_is_missing(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    module, name, broken, way = MUTANTS[mutant]
    monkeypatch.setattr(module, name, broken)
    WAYS_TO_LOSE[way](deployment)

    with pytest.raises(NotDrainedError):
        deployment.drain(most=FEW_TICKS)
