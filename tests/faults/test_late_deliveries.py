"""Tasks come long after their time, in any order, and after what they are for is gone."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest
from google.cloud import tasks_v2

from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from infra.local.identity import LocalSigner
from shared.flow.retire import (
    delete_connector,
    delete_schedule,
    disable_connector,
    enable_connector,
)
from shared.flow.schedules import change_schedule
from tests.faults.conftest import MakeWorld
from tests.faults.deployment import LEASE, Deployment, deployed, outlast_the_hour
from tests.faults.invariants import broken_now
from tests.faults.postman import Postman
from tests.faults.scale import new_seed, rounds, share
from tests.faults.world import World

__all__ = ["outlast_the_hour"]  # a fixture
pytestmark = pytest.mark.timeout(rounds(300, 1_800))

TOMBSTONE = timedelta(milliseconds=100)
RETIRED = 0.1


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identity") / "identity.pem"


@pytest.fixture(scope="module")
def forgetful(key_file: Path) -> Iterator[RunningCloudTasks]:
    """Cloud Tasks as it is a day later: names of tasks that are gone can be used again."""
    with running_cloud_tasks(key_file=key_file, tombstone=TOMBSTONE) as server:
        yield server


@pytest.fixture
def deployment(new_world: MakeWorld, forgetful: RunningCloudTasks) -> Iterator[Deployment]:
    world = new_world(
        connectors=rounds(6, 30),
        periods=2,
        records=rounds(14, 40),
        max_concurrent_syncs=100,  # every run that is due gets its task at once
    )
    with deployed(world, forgetful) as deployment:
        yield deployment


def fill(deployment: Deployment) -> list[tasks_v2.Task]:
    """Let the queues fill, and keep them from delivering; return what is in them."""
    deployment.queues.pause()
    deployment.tick()
    tasks = deployment.queues.tasks()
    assert len(tasks) > len(deployment.world.connectors)
    return tasks


def what_was_done(world: World) -> list[tuple[object, ...]]:
    return world.rows(
        "SELECT r.id, r.status, r.fence, r.attempt, r.task_generation, r.updated_at,"
        " (SELECT count(*) FROM fault_dataset.write) FROM workspace_connector_sync_log AS r"
        " ORDER BY r.id"
    )


def statuses(world: World) -> Counter[str]:
    return Counter(
        dict(world.rows("SELECT status, count(*) FROM workspace_connector_sync_log GROUP BY 1"))
    )


def test_tasks_that_come_again_long_after_change_nothing(deployment: Deployment) -> None:
    tasks = fill(deployment)
    deployment.queues.resume()
    deployment.drain()
    before = what_was_done(deployment.world)
    answered = deployment.worker.answers.total()

    sleep(TOMBSTONE.total_seconds())
    deployment.queues.order_again(reversed(tasks))
    deployment.queues.settle()

    assert deployment.worker.answers.total() == answered + len(tasks)
    assert what_was_done(deployment.world) == before
    deployment.end_well("tasks again long after", duplicates=len(tasks))


def test_tasks_that_were_replaced_meanwhile_start_nothing(deployment: Deployment) -> None:
    replaced = fill(deployment)
    deployment.queues.purge()
    deployment.bear()
    deployment.tick()
    names = {task.name for task in deployment.queues.tasks()}

    deployment.queues.order_again(replaced)
    for task in replaced:
        deployment.queues.deliver_now(task.name)

    assert {task.name for task in deployment.queues.tasks()} == names
    assert deployment.worker.answers == {"200 OK": len(replaced)}
    assert statuses(deployment.world) == {"scheduled": len(replaced)}
    deployment.queues.resume()
    deployment.drain()
    deployment.end_well("tasks replaced meanwhile")


def test_tasks_that_come_in_reverse_order_lose_nothing(deployment: Deployment) -> None:
    tasks = fill(deployment)

    for task in reversed(tasks):
        deployment.queues.deliver_now(task.name)

    assert deployment.queues.tasks() == []
    assert statuses(deployment.world) == {"success": len(tasks)}
    deployment.queues.resume()
    deployment.end_well("tasks in reverse order")


def stop_schedule(deployment: Deployment, place: int) -> None:
    world, changes = deployment.world, {"is_enabled": False}
    change_schedule(deployment.planner(), world.owners[place], world.schedules[place], changes)


def remove_schedule(deployment: Deployment, place: int) -> None:
    world = deployment.world
    delete_schedule(deployment.planner(), world.owners[place], world.schedules[place])


def disable(deployment: Deployment, place: int) -> None:
    world = deployment.world
    disable_connector(deployment.planner(), world.owners[place], world.connectors[place])


def remove(deployment: Deployment, place: int) -> None:
    world = deployment.world
    delete_connector(deployment.planner(), world.owners[place], world.connectors[place])


RETIREMENTS: dict[str, Callable[[Deployment, int], None]] = {
    "schedule_disabled": stop_schedule,
    "schedule_deleted": remove_schedule,
    "connector_disabled": disable,
    "connector_deleted": remove,
}


def test_tasks_of_what_was_disabled_or_deleted_meanwhile_start_nothing(
    deployment: Deployment,
) -> None:
    tasks = fill(deployment)
    world = deployment.world
    for place, retire in enumerate(RETIREMENTS.values()):
        retire(deployment, place)

    deployment.queues.resume()
    deployment.drain()

    assert deployment.queues.stats()["succeeded"] >= len(tasks)
    fates = [fates_of(world, place) for place in range(len(world.connectors))]
    assert fates[: len(RETIREMENTS)] == [{("cancelled", reason, False)} for reason in RETIREMENTS]
    assert set().union(*fates[len(RETIREMENTS) :]) == {("success", None, True)}
    assert set(deployment.worker.answers) == {"200 OK"}
    deployment.note("tasks of what was disabled or deleted")


def test_tasks_from_before_a_connector_was_disabled_start_nothing_after_it_is_enabled(
    deployment: Deployment,
) -> None:
    tasks = fill(deployment)
    world = deployment.world
    for place in range(len(world.connectors)):
        disable_and_enable(deployment, place)

    deployment.queues.resume()
    deployment.queues.settle()
    assert deployment.queues.stats()["succeeded"] == len(tasks)
    assert statuses(world) == {"cancelled": len(tasks)}

    deployment.request(range(len(world.connectors)))
    deployment.drain()
    deployment.end_well("tasks from before connectors were disabled and enabled")


def fates_of(world: World, place: int) -> set[tuple[object, ...]]:
    """Return how the runs of a connector ended, why, and whether they had started."""
    return set(
        world.rows(
            "SELECT r.status, r.reason, r.started_at IS NOT NULL"
            " FROM workspace_connector_sync_log AS r"
            " JOIN workspace_connector AS c ON c.id = r.connector_id WHERE c.public_id = %s",
            str(world.connectors[place]),
        )
    )


def test_no_order_of_deliveries_loses_or_doubles_anything(
    deployment: Deployment, key_file: Path
) -> None:
    seed = new_seed("deliveries in any order")
    deployment.queues.pause()
    postman = Postman(deployment, LocalSigner.load_or_create(key_file), seed)
    schedules = rounds(15, 2_000)

    for number in range(schedules):
        deployment.grow(postman.place("grow", number))
        deployment.request([postman.place("request", number)])
        if share(seed, "retire", number) < RETIRED:
            disable_and_enable(deployment, postman.place("retire", number))
        deployment.tick()
        postman.collect()
        postman.deliver(number)
        assert broken_now(deployment.world, LEASE) == []

    print(f"{schedules} schedules: {dict(postman.counts)}, {dict(statuses(deployment.world))}")
    assert all(postman.counts[way] for way in ("first", "again", "held", "lost"))
    deployment.queues.resume()
    deployment.drain()
    deployment.end_well("tasks in any order, again and again", duplicates=postman.counts["again"])


def disable_and_enable(deployment: Deployment, place: int) -> None:
    world = deployment.world
    disable(deployment, place)
    enable_connector(deployment.planner(), world.owners[place], world.connectors[place])
