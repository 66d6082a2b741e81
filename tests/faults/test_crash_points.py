"""A process dies at each named place between two effects."""

from datetime import timedelta

import pytest

from shared.crash_points import CrashPoint
from tests.faults.conftest import MakeWorld, Prove
from tests.faults.delivery import Plan
from tests.faults.scale import new_seed, rounds
from tests.faults.table_queue import QueueFaults
from tests.faults.world import use_datasets_of_dlt

pytestmark = pytest.mark.timeout(rounds(300, 1_800))

OF_A_SYNC = (
    CrashPoint.READ,
    CrashPoint.TURN_TAKEN,
    CrashPoint.STAGED,
    CrashPoint.MERGED,
    CrashPoint.LOADED,
)
OF_AN_AUTHORIZATION = (
    CrashPoint.STATE_USED,
    CrashPoint.CODE_EXCHANGED,
    CrashPoint.TOKENS_RENEWED,
    CrashPoint.TOKENS_STORED,
)
"""No connector of a world is authorized: tests/flow/test_oauth_crashes.py dies at these."""
ALL_BUT_STAGED = tuple(
    point
    for point in CrashPoint
    if point is not CrashPoint.STAGED and point not in OF_AN_AUTHORIZATION
)
"""The connector that keeps books merges without staging."""


def test_nothing_is_lost_when_a_process_dies_at_any_crash_point(
    new_world: MakeWorld, prove: Prove
) -> None:
    connectors, periods, deaths = rounds((24, 4, 2), (120, 20, 50))
    world = new_world(connectors=connectors, periods=periods, max_concurrent_syncs=10)
    plan = Plan(
        new_seed("crash points"),
        deaths=dict.fromkeys(ALL_BUT_STAGED, deaths),
        requests=rounds(0.3, 0.1),
        limit=timedelta(minutes=rounds(4, 20)),
    )

    tally = prove("killed at each crash point", world, plan)

    assert {point: tally.deaths[point] for point in ALL_BUT_STAGED if not tally.deaths[point]} == {}
    assert tally.kills.total() == tally.deaths.total()


def test_nothing_is_lost_when_real_loads_die_at_their_crash_points_and_at_random(
    new_world: MakeWorld, prove: Prove
) -> None:
    connectors, periods, deaths = rounds((5, 3, 1), (20, 8, 10))
    world = new_world(connectors=connectors, periods=periods)
    use_datasets_of_dlt(world)
    seed = new_seed("real loads")
    plan = Plan(
        seed,
        is_real=True,
        lease=timedelta(seconds=2),
        workers=4,
        deaths=dict.fromkeys(OF_A_SYNC, deaths),
        kills=0.5,
        queue=QueueFaults(seed, twice=0.05, at_once=0.1),
        limit=timedelta(minutes=rounds(4, 20)),
    )

    tally = prove("the database connector, killed at its crash points and at random", world, plan)

    assert {point: tally.deaths[point] for point in OF_A_SYNC if not tally.deaths[point]} == {}
    assert tally.rescues > 0
