"""A worker is halted beyond its lease and goes on: a zombie, whose writes are refused."""

from datetime import timedelta

import pytest

from shared.crash_points import CrashPoint
from tests.faults.conftest import MakeWorld, Prove
from tests.faults.delivery import Plan
from tests.faults.scale import new_seed, rounds
from tests.faults.world import use_datasets_of_dlt

pytestmark = pytest.mark.timeout(rounds(300, 1_800))

WHILE_LEASED = (
    CrashPoint.LEASED,
    CrashPoint.SECRETS_OPENED,
    CrashPoint.READ,
    CrashPoint.TURN_TAKEN,
    CrashPoint.MERGED,
    CrashPoint.LOADED,
    CrashPoint.SYNCED,
)
OF_A_LOAD = (CrashPoint.TURN_TAKEN, CrashPoint.STAGED, CrashPoint.MERGED)


def test_every_zombie_is_refused_wherever_it_was_halted(new_world: MakeWorld, prove: Prove) -> None:
    connectors, periods, halts = rounds((16, 3, 2), (80, 10, 70))
    world = new_world(connectors=connectors, periods=periods)
    plan = Plan(
        new_seed("halted"),
        halts=dict.fromkeys(WHILE_LEASED, halts),
        limit=timedelta(minutes=rounds(4, 20)),
    )

    tally = prove("halted at each crash point until a later lease was taken", world, plan)

    assert tally.zombies["lease_lost"] >= halts * len(WHILE_LEASED)
    assert tally.zombies.keys() == {"lease_lost"}


def test_workers_that_are_frozen_at_random_instants_harm_nothing(
    new_world: MakeWorld, prove: Prove
) -> None:
    connectors, periods = rounds((16, 4), (80, 15))
    world = new_world(connectors=connectors, periods=periods)
    plan = Plan(
        new_seed("frozen at random"),
        freezes=0.4,
        kills=0.1,
        limit=timedelta(minutes=rounds(4, 20)),
    )

    tally = prove("frozen at random beyond the lease", world, plan)

    assert tally.freezes > connectors // 2
    assert tally.zombies["recorded"] == 0


def test_a_real_load_that_was_halted_loads_nothing_more(new_world: MakeWorld, prove: Prove) -> None:
    connectors, periods, halts = rounds((4, 3, 1), (12, 8, 8))
    world = new_world(connectors=connectors, periods=periods)
    use_datasets_of_dlt(world)
    plan = Plan(
        new_seed("a halted load"),
        is_real=True,
        lease=timedelta(seconds=2),
        workers=4,
        halts=dict.fromkeys(OF_A_LOAD, halts),
        limit=timedelta(minutes=rounds(4, 20)),
    )

    tally = prove("the database connector, halted until a later lease was taken", world, plan)

    assert tally.zombies["lease_lost"] >= halts * len(OF_A_LOAD)
    assert tally.zombies.keys() == {"lease_lost"}
