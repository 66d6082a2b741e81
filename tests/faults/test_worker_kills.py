"""Workers and dispatchers die at random instants, and tasks come twice, late, or not at all."""

from datetime import timedelta

import pytest

from tests.faults.conftest import MakeWorld, Prove
from tests.faults.delivery import Plan
from tests.faults.scale import new_seed, rounds
from tests.faults.table_queue import QueueFaults

pytestmark = pytest.mark.timeout(rounds(300, 2_400))


def test_no_record_is_lost_or_doubled_when_workers_are_killed_at_random(
    new_world: MakeWorld, prove: Prove
) -> None:
    connectors, periods = rounds((50, 4), (250, 40))
    seed = new_seed("killed at random")
    workspaces, places = rounds((4, 10), (20, 3))
    world = new_world(
        workspaces=workspaces,
        connectors=connectors,
        periods=periods,
        max_concurrent_syncs=places,
    )
    plan = Plan(
        seed,
        kills=0.85,
        tick_kills=0.5,
        tick_twins=0.1,
        requests=0.01,
        queue=QueueFaults(seed, twice=0.05, at_once=0.05),
        patience=timedelta(seconds=30),  # nothing is lost here, and the queue may be slow
        limit=timedelta(minutes=rounds(4, 30)),
    )

    tally = prove("workers and dispatchers killed at random", world, plan)

    assert tally.runs >= connectors * periods
    assert tally.kills["worker"] >= rounds(200, 15_000)
    assert tally.kills["tick"] > 0
    assert tally.rescues > 0
    assert tally.duplicates > 0


def test_a_queue_that_loses_doubles_and_reorders_tasks_changes_nothing_but_time(
    new_world: MakeWorld, prove: Prove
) -> None:
    connectors, periods = rounds((20, 4), (100, 10))
    seed = new_seed("a bad queue")
    world = new_world(connectors=connectors, periods=periods, max_concurrent_syncs=10)
    plan = Plan(
        seed,
        kills=0.2,
        queue=QueueFaults(
            seed,
            refuse=0.1,
            lose_reply=0.1,
            lose=0.1,
            twice=0.2,
            at_once=0.2,
            delay=0.1,
            reorder=0.5,
        ),
        limit=timedelta(minutes=rounds(4, 20)),
    )

    tally = prove("tasks lost, doubled, late and out of order", world, plan)

    assert tally.runs >= connectors * periods
    assert tally.lost_tasks > 0
    assert tally.duplicates > 0


def test_a_sync_in_slices_loses_nothing_when_any_of_them_is_killed(
    new_world: MakeWorld, prove: Prove
) -> None:
    connectors, periods = rounds((12, 3), (60, 10))
    seed = new_seed("slices")
    world = new_world(connectors=connectors, periods=periods)
    plan = Plan(
        seed,
        slice=timedelta(milliseconds=1),  # each reads one page
        kills=0.5,
        tick_kills=0.2,
        growth=0.5,
        queue=QueueFaults(seed, twice=0.05, at_once=0.05),
        limit=timedelta(minutes=rounds(4, 20)),
    )

    tally = prove("slices killed at random", world, plan)

    assert tally.slices > connectors
    assert tally.rescues > 0
