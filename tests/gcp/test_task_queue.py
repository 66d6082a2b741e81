"""Runs become tasks of the real client in the local Cloud Tasks."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from itertools import chain, repeat
from uuid import uuid4

import pytest
from google.cloud import tasks_v2

from infra.local.cloud_tasks.faults import Fault, FaultKind
from infra.local.cloud_tasks.running import RunningCloudTasks
from infra.local.ports import free_port
from shared.clock import utc_now
from shared.config import Settings
from shared.domain.task import TaskFailure, TaskOrder
from shared.gcp import task_queue
from shared.gcp.queues import ensure_queues
from shared.gcp.task_queue import CloudTasksQueue, tasks_client
from tests.settings import make_settings

SOON = timedelta(minutes=10)


@pytest.fixture
def settings(client: tasks_v2.CloudTasksClient) -> Settings:
    """Return settings whose two queues are made and paused."""
    settings = make_settings()
    ensure_queues(client, settings)
    for queue in (settings.scheduled_queue, settings.interactive_queue):
        client.pause_queue(name=client.queue_path(settings.project, settings.location, queue))
    return settings


@pytest.fixture
def queue(client: tasks_v2.CloudTasksClient, settings: Settings) -> CloudTasksQueue:
    return CloudTasksQueue(client, settings)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a batch be repeated for a moment only."""
    monkeypatch.setattr(task_queue, "_PATIENCE_SECONDS", 0.3)


def order(*, is_interactive: bool = False, schedule_time: datetime | None = None) -> TaskOrder:
    run = uuid4()
    task_id = sha256(run.bytes).hexdigest()
    at = schedule_time or utc_now() + SOON
    return TaskOrder(run, uuid4(), 3, task_id, is_interactive, at)


def enqueue(queue: CloudTasksQueue, *orders: TaskOrder) -> Sequence[TaskOrder | TaskFailure]:
    return list(queue.enqueue(orders))


def stored(client: tasks_v2.CloudTasksClient, name: str) -> tasks_v2.Task:
    view = tasks_v2.Task.View.FULL
    return client.get_task(request={"name": name, "response_view": view})


def tasks_in(client: tasks_v2.CloudTasksClient, settings: Settings, queue_id: str) -> set[str]:
    parent = client.queue_path(settings.project, settings.location, queue_id)
    return {task.name.rpartition("/")[2] for task in client.list_tasks(parent=parent)}


def test_a_task_posts_ids_to_the_worker_and_nothing_else(
    queue: CloudTasksQueue, client: tasks_v2.CloudTasksClient, settings: Settings
) -> None:
    wanted = order()
    assert enqueue(queue, wanted) == [wanted]
    task = stored(client, queue.task_name(wanted))
    request = task.http_request
    assert request.url == settings.worker_url
    assert request.http_method is tasks_v2.HttpMethod.POST
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body) == {
        "run_id": str(wanted.run),
        "workspace_id": str(wanted.workspace),
        "generation": 3,
    }
    assert request.oidc_token.service_account_email == settings.tasks_service_account
    assert request.oidc_token.audience == settings.worker_url
    assert task.dispatch_deadline == timedelta(minutes=30)


def test_a_task_is_named_after_its_order_and_waits_for_its_instant(
    queue: CloudTasksQueue, client: tasks_v2.CloudTasksClient, settings: Settings
) -> None:
    wanted = order()
    enqueue(queue, wanted)
    name = queue.task_name(wanted)
    parent = client.queue_path(settings.project, settings.location, settings.scheduled_queue)
    assert name == f"{parent}/tasks/{wanted.task_id}"
    assert stored(client, name).schedule_time == wanted.schedule_time


def test_the_instant_of_another_zone_is_the_same_instant(
    queue: CloudTasksQueue, client: tasks_v2.CloudTasksClient
) -> None:
    oslo = (utc_now() + SOON).astimezone(timezone(timedelta(hours=2)))
    wanted = order(schedule_time=oslo)
    enqueue(queue, wanted)
    assert stored(client, queue.task_name(wanted)).schedule_time == oslo.astimezone(UTC)


def test_interactive_runs_have_a_queue_of_their_own(
    queue: CloudTasksQueue, client: tasks_v2.CloudTasksClient, settings: Settings
) -> None:
    scheduled, manual = order(), order(is_interactive=True)
    assert enqueue(queue, scheduled, manual) == [scheduled, manual]
    assert tasks_in(client, settings, settings.scheduled_queue) == {scheduled.task_id}
    assert tasks_in(client, settings, settings.interactive_queue) == {manual.task_id}


def test_a_task_that_exists_already_counts_as_taken(
    queue: CloudTasksQueue, client: tasks_v2.CloudTasksClient, settings: Settings
) -> None:
    wanted = order()
    assert enqueue(queue, wanted) == [wanted]
    assert enqueue(queue, wanted) == [wanted]
    assert enqueue(queue, wanted, wanted) == [wanted, wanted]
    assert tasks_in(client, settings, settings.scheduled_queue) == {wanted.task_id}


def test_a_task_that_was_done_a_moment_ago_counts_as_taken(
    queue: CloudTasksQueue, client: tasks_v2.CloudTasksClient, settings: Settings
) -> None:
    wanted = order()
    enqueue(queue, wanted)
    client.delete_task(name=queue.task_name(wanted))
    assert enqueue(queue, wanted) == [wanted]
    assert not tasks_in(client, settings, settings.scheduled_queue)


@pytest.mark.parametrize("kind", [FaultKind.UNAVAILABLE, FaultKind.LOSE_REPLY])
def test_a_call_that_found_nobody_is_repeated_until_there_is_one_task(
    queue: CloudTasksQueue,
    client: tasks_v2.CloudTasksClient,
    settings: Settings,
    cloud_tasks: RunningCloudTasks,
    kind: FaultKind,
) -> None:
    wanted = order()
    cloud_tasks.set_faults(Fault(kind, times=2))
    assert enqueue(queue, wanted) == [wanted]
    hits = 2 if kind is FaultKind.UNAVAILABLE else 1
    assert cloud_tasks.faults()[0]["hits"] == hits
    assert tasks_in(client, settings, settings.scheduled_queue) == {wanted.task_id}


def test_while_cloud_tasks_is_away_every_order_is_a_failure_and_no_error(
    queue: CloudTasksQueue, cloud_tasks: RunningCloudTasks, impatient: None
) -> None:
    orders = [order() for _ in range(40)]
    cloud_tasks.set_faults(Fault(FaultKind.UNAVAILABLE))
    results = enqueue(queue, *orders)
    assert [result.order for result in results if isinstance(result, TaskFailure)] == orders
    assert all("503" in result.error for result in results if isinstance(result, TaskFailure))


def test_a_batch_shares_one_patience(
    queue: CloudTasksQueue, cloud_tasks: RunningCloudTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = chain([0.0], repeat(1_000.0))
    monkeypatch.setattr(task_queue, "monotonic", lambda: next(clock))
    cloud_tasks.set_faults(Fault(FaultKind.UNAVAILABLE))
    enqueue(queue, *(order() for _ in range(40)))
    assert cloud_tasks.faults()[0]["hits"] == 40


def test_a_server_that_is_not_there_is_a_failure_and_no_error(
    settings: Settings, impatient: None
) -> None:
    with tasks_client(f"127.0.0.1:{free_port()}") as client:
        queue = CloudTasksQueue(client, settings)
        for orders in ([order()], [order(), order()]):
            results = enqueue(queue, *orders)
            assert [type(result) for result in results] == [TaskFailure] * len(orders)


def test_a_missing_queue_is_a_failure_that_names_its_class(
    client: tasks_v2.CloudTasksClient,
) -> None:
    wanted = order()
    (failure,) = enqueue(CloudTasksQueue(client, make_settings()), wanted)
    assert isinstance(failure, TaskFailure)
    assert failure.order == wanted
    assert failure.error.startswith("NotFound: ")
    assert "Queue does not exist" in failure.error


def test_an_order_that_is_refused_harms_no_other(
    queue: CloudTasksQueue, client: tasks_v2.CloudTasksClient, settings: Settings
) -> None:
    too_far = order(schedule_time=utc_now() + timedelta(days=40))
    bad_name = replace(order(), task_id="not.a.task.id")
    first, last = order(), order()
    results = enqueue(queue, first, too_far, bad_name, last)
    assert (results[0], results[3]) == (first, last)
    for result, wanted in zip(results[1:3], (too_far, bad_name), strict=True):
        assert isinstance(result, TaskFailure)
        assert result.order == wanted
        assert result.error.startswith("InvalidArgument: ")
    assert tasks_in(client, settings, settings.scheduled_queue) == {first.task_id, last.task_id}


def test_three_hundred_orders_at_once_are_all_taken_in_their_order(
    queue: CloudTasksQueue, client: tasks_v2.CloudTasksClient, settings: Settings
) -> None:
    orders = [order() for _ in range(300)]
    assert enqueue(queue, *orders) == orders
    assert tasks_in(client, settings, settings.scheduled_queue) == {one.task_id for one in orders}


def test_no_orders_need_no_call(settings: Settings) -> None:
    with tasks_client(f"127.0.0.1:{free_port()}") as nobody:
        assert enqueue(CloudTasksQueue(nobody, settings)) == []


def test_a_closed_queue_takes_nothing(settings: Settings, cloud_tasks: RunningCloudTasks) -> None:
    queue = CloudTasksQueue(tasks_client(cloud_tasks.address), settings)
    queue.close()
    with pytest.raises(ValueError, match="closed channel"):
        enqueue(queue, order())
