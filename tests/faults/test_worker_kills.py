"""Workers and dispatchers die at random instants, and tasks come twice, late, or not at all."""

from datetime import timedelta

import pytest

from shared.domain.run import Reason
from tests.faults.conftest import MakeWorld, Prove
from tests.faults.delivery import Plan
from tests.faults.mutations import name_of
from tests.faults.people import Act
from tests.faults.real_loads import PAGE_ROWS, read_small_pages
from tests.faults.scale import new_seed, rounds
from tests.faults.table_queue import QueueFaults
from tests.faults.world import use_datasets_of_dlt

# Ten minutes on two cores that have nothing else to do; several times that beside other work.
pytestmark = pytest.mark.timeout(rounds(300, 3_000))


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
        limit=timedelta(minutes=rounds(4, 45)),
    )

    tally = prove("workers and dispatchers killed at random", world, plan)

    assert tally.runs >= connectors * periods
    assert tally.kills["worker"] >= rounds(200, 15_000)
    assert tally.kills["tick"] > 0
    assert tally.rescues > 0
    assert tally.duplicates > 0


def test_what_people_cancel_disable_and_delete_ends_whoever_is_killed(
    new_world: MakeWorld, prove: Prove
) -> None:
    connectors, periods = rounds((30, 3), (200, 20))
    seed = new_seed("people")
    world = new_world(workspaces=10, connectors=connectors, periods=periods)
    plan = Plan(
        seed,
        slice=timedelta(milliseconds=1),
        kills=0.5,
        tick_kills=0.2,
        requests=0.1,
        people=rounds(0.2, 0.1),
        queue=QueueFaults(seed, twice=0.05, at_once=0.05),
        limit=timedelta(minutes=rounds(4, 20)),
    )

    tally = prove("runs cancelled, and what they belong to disabled and deleted", world, plan)

    assert tally.kills["person"] > 0
    assert tally.rescues > 0
    assert tally.acts.keys() >= rounds({Act.CANCEL, Act.DISABLE_CONNECTOR}, set(Act))
    assert tally.cancelled.keys() > {Reason.CANCELLED_BY_USER}
    # Some of those that are cancelled in the middle of their work notice.
    assert tally.answers["lease_lost"] >= rounds(0, 1)


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


def _page_by_page(seed: int) -> Plan:
    """Return a plan in which the database connector reads one page a slice, and is killed."""
    return Plan(
        seed,
        is_real=True,
        lease=timedelta(seconds=2),
        slice=timedelta(milliseconds=1),  # each reads one page
        workers=4,
        kills=0.4,
        growth=0.5,
        queue=QueueFaults(seed, twice=0.05, at_once=0.05),
        mutants=(name_of(read_small_pages),),
        limit=timedelta(minutes=rounds(4, 20)),
    )


def test_a_real_sync_in_slices_loses_nothing_when_any_of_them_is_killed(
    new_world: MakeWorld, prove: Prove
) -> None:
    connectors, periods = rounds((3, 2), (12, 12))
    seed = new_seed("real slices")
    world = new_world(connectors=connectors, periods=periods, records=4 * PAGE_ROWS + 2)
    use_datasets_of_dlt(world)
    plan = _page_by_page(seed)

    tally = prove("the database connector in slices, killed at random", world, plan)

    assert tally.slices >= connectors * 4
    assert tally.kills["worker"] > 0
    assert tally.rescues > 0


def test_a_full_refresh_in_slices_deletes_what_is_gone_and_nothing_else_whoever_is_killed(
    new_world: MakeWorld, prove: Prove
) -> None:
    connectors, periods = rounds((2, 2), (12, 12))
    seed = new_seed("full refreshes")
    world = new_world(
        connectors=connectors, periods=periods, records=4 * PAGE_ROWS + 2, is_whole=True
    )
    use_datasets_of_dlt(world)
    plan = _page_by_page(seed)

    tally = prove("full refreshes in slices, killed at random", world, plan)

    assert tally.slices >= connectors * 4
    assert tally.kills["worker"] > 0
    assert tally.rescues > 0
    assert world.rows("SELECT FROM fault_dataset.rejected LIMIT 1")
    assert world.rows(
        "SELECT FROM workspace_connector_sync_log"
        " WHERE CAST(metadata ->> 'records_deleted' AS bigint) > 0 LIMIT 1"
    )
