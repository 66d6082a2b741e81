"""A crew works on a database in trouble, over a network in trouble, while workers are killed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.faults import report
from tests.faults.crashes import FragilePostgres, database, fragile
from tests.faults.delivery import Plan, delivering
from tests.faults.hands import hands_on, through
from tests.faults.proxy import Proxy, running_proxy
from tests.faults.scale import new_seed, rounds
from tests.faults.storms import Storm
from tests.faults.world import World, make_world

__all__ = ["database", "fragile"]  # fixtures
pytestmark = pytest.mark.timeout(rounds(300, 2_400))

_PATIENCE_SECONDS = 30.0
_NAP_SECONDS = 0.02
_HAS_BEGUN = "SELECT EXISTS (SELECT FROM fault_log.lease)"
_PUT_TASK = """
UPDATE workspace_connector_sync_log SET enqueued_at = now() + CAST(%s AS interval)
WHERE trigger_type = 'manual' AND attempt = 0 RETURNING id
"""


@pytest.fixture
def world(fragile: FragilePostgres, database: str, tmp_path: Path) -> World:
    connectors, periods = rounds((6, 5), (60, 20))
    return make_world(
        fragile.server, database, tmp_path, connectors=connectors, periods=periods, records=30
    )


@pytest.fixture
def proxy(fragile: FragilePostgres) -> Iterator[Proxy]:
    with running_proxy(fragile.server.port) as proxy:
        yield proxy


def test_a_storm_of_troubles_loses_no_record_and_writes_none_twice(
    fragile: FragilePostgres, proxy: Proxy, world: World, database: str
) -> None:
    seed = new_seed("a database in trouble")
    plan = Plan(
        seed,
        kills=0.1,
        freezes=0.02,
        requests=0.2,
        database_url=through(world.database_url, proxy.port),
        dataset_url=through(world.dataset_url, proxy.port),
        limit=timedelta(minutes=rounds(3, 30)),
    )
    ask_for_a_run_whose_task_is_held_up(world)
    with delivering(world, plan) as delivery:
        wait_until_it_works(world)
        troubles = Storm(fragile, proxy, database, seed).rage(rounds(1, 60), delivery.watch)
        assert delivery.is_under_way(), delivery.errors()
        assert world.rows(_PUT_TASK, "-1 day") != []
        tally = delivery.finish()

    print(f"{troubles} troubles: {tally}")
    report.append(tally.as_result("database and network in trouble"))
    assert [str(violation) for violation in tally.violations] == []
    assert tally.is_drained, f"{tally}\n{delivery.errors()}"
    assert tally.answers["error"] > 0


def ask_for_a_run_whose_task_is_held_up(world: World) -> None:
    """Let one run seem to be under way: without it, everything might end before the storm does."""
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    with hands_on(replace(world, folder=elsewhere)) as hands:
        assert hands.request() == "asked"
    assert world.rows(_PUT_TASK, "1 day") != []


def wait_until_it_works(world: World) -> None:
    """Wait while the crew warms up, which is not what is tried here."""
    end = monotonic() + _PATIENCE_SECONDS
    while world.rows(_HAS_BEGUN) != [(True,)]:
        assert monotonic() < end
        sleep(_NAP_SECONDS)
