"""Dispatchers die in the middle of a tick, come in crowds, and are called twice."""

from collections.abc import Iterator
from datetime import timedelta
from time import monotonic, sleep

import pytest

from infra.local.cloud_scheduler.faults import Fault, FaultKind
from infra.local.cloud_scheduler.running import RunningCloudScheduler, running_cloud_scheduler
from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from shared.crash_points import CrashPoint
from shared.gcp.tick_job import ensure_tick_job
from tests.faults import report
from tests.faults.conftest import MakeWorld
from tests.faults.crowd import add_crowd
from tests.faults.deployment import Deployment, deployed
from tests.faults.dispatchers import OF_A_TICK, DispatchPlan, DispatchTally, dispatch, not_once
from tests.faults.invariants import broken_at_rest
from tests.faults.scale import new_seed, rounds
from tests.faults.world import World

pytestmark = pytest.mark.timeout(rounds(300, 1_800))

LEASE = timedelta(seconds=20)
WAVE = timedelta(minutes=1)
FEW_TICKS = 3
ANSWER_SECONDS = 120.0
"""More than the 45 s that a tick may take, on a machine that has other things to do."""
NAP_SECONDS = 0.02

DISPATCHERS = {
    "one dispatcher": (1, rounds((20, 1), (1_000, 50))),
    "eight dispatchers at once": (8, rounds((10, 1), (125, 6))),
    **rounds({}, {"two dispatchers at once": (2, (500, 25))}),
}
"""How many come at the same moment, how many times, and how many times they die at each point."""

ONCE = "each run is planned, tasked, started and ended once"
MUTANTS = {
    "names_by_chance": (1, (CrashPoint.TASKS_MADE,), ONCE),
    "forgotten_orders": (1, (CrashPoint.ADMITTED,), "every run ends"),
    "keys_by_chance_without_locks": (2, (), "a period has one row"),
}
"""How many dispatchers at once, dying where, break which rule."""


@pytest.fixture(scope="module")
def clouds(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RunningCloudTasks, RunningCloudScheduler]]:
    """Both services, which sign with one key."""
    key_file = tmp_path_factory.mktemp("identity") / "identity.pem"
    with (
        running_cloud_tasks(key_file=key_file) as cloud_tasks,
        running_cloud_scheduler(key_file=key_file) as cloud_scheduler,
    ):
        yield cloud_tasks, cloud_scheduler


@pytest.mark.parametrize("scenario", DISPATCHERS)
def test_each_period_gets_one_run_and_each_run_one_task_however_dispatchers_die(
    new_world: MakeWorld, scenario: str
) -> None:
    at_once, (waves, deaths) = DISPATCHERS[scenario]
    periods = 1 + waves // 60
    world = new_world(connectors=2, periods=periods, max_concurrent_syncs=1_000)
    minute = add_crowd(world, rounds(25, 5_000 // periods), periods=periods)
    plan = DispatchPlan(
        new_seed(scenario),
        first=minute - waves * WAVE,
        waves=waves,
        at_once=at_once,
        deaths=deaths,
        kills=0.7,
        limit=timedelta(minutes=rounds(4, 25)),
    )

    tally = play(f"{scenario}, killed in the middle of a tick", world, plan)

    assert {point: tally.deaths[point] for point in OF_A_TICK if not tally.deaths[point]} == {}
    assert tally.kills > 0


def test_ticks_that_come_twice_late_or_not_at_all_give_each_period_one_run_and_one_task(
    new_world: MakeWorld, clouds: tuple[RunningCloudTasks, RunningCloudScheduler]
) -> None:
    cloud_tasks, cloud_scheduler = clouds
    world = new_world(connectors=2, periods=1, max_concurrent_syncs=1_000)
    times = rounds(2, 75)
    faults = [Fault(kind, times=times, seconds=0.2) for kind in FaultKind]
    with deployed(world, cloud_tasks) as deployment, deployment.dispatcher.listening():
        deployment.queues.pause()
        ensure_job(deployment, cloud_scheduler)
        cloud_scheduler.set_faults(*faults)
        for _ in range(1 + times * len(faults)):
            add_crowd(world, 3, periods=1)
            pass_a_minute(cloud_scheduler)
        hits = {fault["kind"]: fault["hits"] for fault in cloud_scheduler.faults()}

        print(f"ticks in trouble: {hits}, {dict(deployment.dispatcher.answers)}")
        assert hits == {fault.kind: times for fault in faults}
        assert set(deployment.dispatcher.answers) == {"200 OK"}
        names = [task.name for task in deployment.queues.tasks()]
        assert sorted(names) == [
            name
            for (name,) in world.rows(
                "SELECT cloud_task_id FROM workspace_connector_sync_log ORDER BY cloud_task_id"
            )
        ]
        deployment.queues.resume()
        deployment.drain()
        deployment.end_well("ticks twice, late or not at all")


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_dispatcher_without_a_protection_breaks_a_rule(new_world: MakeWorld, mutant: str) -> None:
    at_once, points, rule = MUTANTS[mutant]
    world = new_world(connectors=2, periods=1, max_concurrent_syncs=1_000)
    minute = add_crowd(world, 10, periods=1)
    plan = DispatchPlan(
        new_seed(mutant),
        first=minute - 2 * WAVE,
        waves=2,
        at_once=at_once,
        points=points,
        deaths=1,
        mutants=(f"tests.faults.dispatch_mutants:{mutant}",),
    )

    tally, said = dispatch(world, plan)

    broken = {violation.rule for violation in broken_at_rest(world, LEASE)}
    assert rule in broken | ({ONCE} if not_once(world) else set())
    assert not tally.errors, said


def ensure_job(deployment: Deployment, cloud_scheduler: RunningCloudScheduler) -> None:
    settings = deployment.settings
    with cloud_scheduler.client() as client:
        ensure_tick_job(
            client,
            project=settings.project,
            location=settings.location,
            dispatcher_url=settings.dispatcher_url,
            service_account=settings.scheduler_service_account,
        )


def pass_a_minute(cloud_scheduler: RunningCloudScheduler) -> None:
    """Let Cloud Scheduler's clock come to the next minute, and wait for what it calls."""
    fired = cloud_scheduler.stats()["fired"]
    cloud_scheduler.advance(WAVE)
    until = monotonic() + ANSWER_SECONDS
    while (stats := cloud_scheduler.stats())["outstanding"] or stats["fired"] == fired:
        assert monotonic() < until, stats
        sleep(NAP_SECONDS)


def play(scenario: str, world: World, plan: DispatchPlan) -> DispatchTally:
    """Let a plan happen, note its result, and demand that no rule was broken."""
    tally, said = dispatch(world, plan)
    print(f"{scenario}: {tally}")
    broken = [str(violation) for violation in broken_at_rest(world, LEASE)] + not_once(world)
    report.append(tally.as_result(scenario, world, violations=len(broken)))
    assert not tally.errors, said
    assert tally.is_drained, f"{tally}\n{said}"
    assert tally.calm_ticks <= FEW_TICKS
    assert broken == []
    return tally
