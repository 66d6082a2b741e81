"""What the real client may rely on in calls to Cloud Tasks; deliveries have a file of their own."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.api_core import exceptions
from google.cloud.tasks_v2 import CloudTasksClient, Queue, Task
from google.protobuf.field_mask_pb2 import FieldMask

from infra.local.cloud_tasks.faults import Fault, FaultKind
from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from shared.clock import utc_now

LOCATION = "projects/demo/locations/europe-north1"
STARTING = f"{LOCATION}/queues/starting"
HTTP = {"url": "http://127.0.0.1:9/run", "body": b"body"}


@pytest.fixture(scope="module")
def cloud_tasks() -> Iterator[RunningCloudTasks]:
    with running_cloud_tasks(STARTING) as running:
        yield running


@pytest.fixture(scope="module")
def client(cloud_tasks: RunningCloudTasks) -> Iterator[CloudTasksClient]:
    with cloud_tasks.client() as connected:
        yield connected


@pytest.fixture
def queue(client: CloudTasksClient) -> str:
    """Return a paused queue of this test's own."""
    name = f"{LOCATION}/queues/{uuid4()}"
    client.create_queue(parent=LOCATION, queue={"name": name})
    client.pause_queue(name=name)
    return name


def create(client: CloudTasksClient, queue: str, task_id: str = "", **fields: Any) -> Task:
    name = f"{queue}/tasks/{task_id}" if task_id else ""
    return client.create_task(parent=queue, task={"http_request": HTTP, "name": name, **fields})


def test_a_created_task_comes_back_completed_and_without_its_body(
    client: CloudTasksClient, queue: str
) -> None:
    task = create(client, queue)
    assert task.name.startswith(f"{queue}/tasks/")
    assert task.http_request.http_method.name == "POST"
    assert task.dispatch_deadline == timedelta(minutes=10)
    assert task.create_time <= task.schedule_time
    assert (task.view, task.http_request.body) == (Task.View.BASIC, b"")


def test_the_full_view_has_the_body(client: CloudTasksClient, queue: str) -> None:
    name = create(client, queue).name
    assert client.get_task(name=name).http_request.body == b""
    full = client.get_task(request={"name": name, "response_view": Task.View.FULL})
    assert full.http_request.body == b"body"


def test_a_name_in_use_already_exists(client: CloudTasksClient, queue: str) -> None:
    create(client, queue, "t")
    with pytest.raises(exceptions.AlreadyExists, match="Requested entity already exists"):
        create(client, queue, "t")


def test_the_name_of_a_deleted_task_already_exists_in_other_words(
    client: CloudTasksClient, queue: str
) -> None:
    name = create(client, queue, "t").name
    client.delete_task(name=name)
    with pytest.raises(exceptions.AlreadyExists, match="existed too recently"):
        create(client, queue, "t")
    with pytest.raises(exceptions.NotFound, match="The task no longer exists, though"):
        client.get_task(name=name)
    with pytest.raises(exceptions.NotFound):
        client.delete_task(name=name)


def test_a_name_is_free_again_after_the_window() -> None:
    with (
        running_cloud_tasks(STARTING, tombstone=timedelta(0)) as running,
        running.client() as client,
    ):
        client.pause_queue(name=STARTING)
        client.delete_task(name=create(client, STARTING, "t").name)
        create(client, STARTING, "t")


def test_a_task_needs_a_queue(client: CloudTasksClient) -> None:
    with pytest.raises(exceptions.NotFound, match="Queue does not exist"):
        create(client, f"{LOCATION}/queues/nowhere")
    with pytest.raises(exceptions.NotFound, match="Queue does not exist"):
        client.get_queue(name=f"{LOCATION}/queues/nowhere")


def test_wrong_arguments_are_invalid(client: CloudTasksClient, queue: str) -> None:
    wrong: list[dict[str, Any]] = [
        {"http_request": {"url": ""}},
        {"http_request": {"url": "ftp://x/"}},
        {"name": f"{queue}/tasks/a.b"},
        {"name": f"{STARTING}/tasks/t"},
        {"schedule_time": utc_now() + timedelta(days=31)},
        {"dispatch_deadline": timedelta(seconds=14)},
        {"dispatch_deadline": timedelta(minutes=31)},
        {"http_request": {**HTTP, "body": b"x" * 1_048_569}},
    ]
    for fields in wrong:
        with pytest.raises(exceptions.InvalidArgument):
            client.create_task(parent=queue, task={"http_request": HTTP, **fields})
    assert list(client.list_tasks(parent=queue)) == []


def test_a_past_schedule_time_is_now(client: CloudTasksClient, queue: str) -> None:
    long_ago = utc_now() - timedelta(days=365)
    assert create(client, queue, schedule_time=long_ago).schedule_time > long_ago


def test_lists_go_through_every_page(client: CloudTasksClient, queue: str) -> None:
    names = [create(client, queue).name for _ in range(7)]
    pager = client.list_tasks(request={"parent": queue, "page_size": 3})
    pages = [[task.name for task in page.tasks] for page in pager.pages]
    assert pages == [names[:3], names[3:6], names[6:]]


def test_a_queue_has_its_defaults_and_is_listed(client: CloudTasksClient, queue: str) -> None:
    found = client.get_queue(name=queue)
    assert found.rate_limits.max_dispatches_per_second == 500
    assert found.retry_config.max_attempts == 100
    assert queue in [listed.name for listed in client.list_queues(parent=LOCATION)]


def test_a_queue_is_paused_and_resumed(client: CloudTasksClient, queue: str) -> None:
    assert client.get_queue(name=queue).state == Queue.State.PAUSED
    assert client.resume_queue(name=queue).state == Queue.State.RUNNING
    assert client.pause_queue(name=queue).state == Queue.State.PAUSED


def test_a_queue_is_updated_by_its_mask(client: CloudTasksClient, queue: str) -> None:
    updated = client.update_queue(
        queue={"name": queue, "retry_config": {"max_attempts": 3, "max_doublings": 1}},
        update_mask=FieldMask(paths=["retry_config.max_attempts"]),
    )
    assert (updated.retry_config.max_attempts, updated.retry_config.max_doublings) == (3, 16)
    assert client.get_queue(name=queue) == updated


@pytest.mark.parametrize(
    "fields",
    [
        {"rate_limits": {"max_dispatches_per_second": 501}},
        {"rate_limits": {"max_concurrent_dispatches": 5001}},
        {"retry_config": {"min_backoff": timedelta(hours=2)}},
    ],
)
def test_a_queue_with_figures_out_of_range_is_invalid(
    client: CloudTasksClient, fields: dict[str, Any]
) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        client.create_queue(
            parent=LOCATION, queue={"name": f"{LOCATION}/queues/{uuid4()}", **fields}
        )


def test_purging_empties_a_queue(client: CloudTasksClient, queue: str) -> None:
    for _ in range(3):
        create(client, queue)
    assert client.purge_queue(name=queue).purge_time is not None
    assert list(client.list_tasks(parent=queue)) == []


def test_a_deleted_queue_is_gone_and_its_name_blocked(client: CloudTasksClient, queue: str) -> None:
    client.delete_queue(name=queue)
    with pytest.raises(exceptions.NotFound, match="Queue does not exist"):
        create(client, queue)
    with pytest.raises(exceptions.NotFound, match="Requested entity was not found"):
        client.delete_queue(name=queue)
    with pytest.raises(exceptions.FailedPrecondition):
        client.create_queue(parent=LOCATION, queue={"name": queue})


def requests(queue: str, *task_ids: str) -> list[dict[str, Any]]:
    return [
        {"parent": queue, "task": {"name": f"{queue}/tasks/{task_id}", "http_request": HTTP}}
        for task_id in task_ids
    ]


def test_a_batch_is_an_operation_whose_result_are_its_tasks(
    client: CloudTasksClient, queue: str
) -> None:
    operation: Any = client.batch_create_tasks(parent=queue, requests=requests(queue, "a", "b"))
    assert [task.name for task in operation.result().tasks] == [
        f"{queue}/tasks/{task_id}" for task_id in "ab"
    ]
    assert client.get_operation({"name": operation.operation.name}).done


def test_a_batch_reports_each_failure_by_its_index(client: CloudTasksClient, queue: str) -> None:
    create(client, queue, "a")
    operation: Any = client.batch_create_tasks(parent=queue, requests=requests(queue, "a", "b"))
    assert len(operation.result().tasks) == 1
    failures = operation.metadata.failed_requests
    assert {index: failure.code for index, failure in failures.items()} == {0: 6}


def test_a_batch_of_more_than_100_is_invalid(client: CloudTasksClient, queue: str) -> None:
    many = requests(queue, *(str(number) for number in range(101)))
    with pytest.raises(exceptions.InvalidArgument):
        client.batch_create_tasks(parent=queue, requests=many)


def test_a_batch_deletes(client: CloudTasksClient, queue: str) -> None:
    names = [create(client, queue).name for _ in range(3)]
    operation: Any = client.batch_delete_tasks(request={"parent": queue, "names": names[:2]})
    operation.result()
    assert [task.name for task in client.list_tasks(parent=queue)] == names[2:]


def test_a_method_that_is_not_served_is_not_implemented(
    client: CloudTasksClient, queue: str
) -> None:
    with pytest.raises(exceptions.MethodNotImplemented):
        client.get_iam_policy(request={"resource": queue})


def test_a_service_that_is_unavailable_stores_nothing(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, queue: str
) -> None:
    cloud_tasks.set_faults(Fault(FaultKind.UNAVAILABLE, queue=queue, times=1))
    with pytest.raises(exceptions.ServiceUnavailable):
        create(client, queue, "t")
    assert list(client.list_tasks(parent=queue)) == []
    create(client, queue, "t")


def test_a_lost_reply_leaves_the_task_stored(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, queue: str
) -> None:
    cloud_tasks.set_faults(Fault(FaultKind.LOSE_REPLY, queue=queue, times=1))
    with pytest.raises(exceptions.ServiceUnavailable):
        create(client, queue, "t")
    with pytest.raises(exceptions.AlreadyExists):
        create(client, queue, "t")


def test_a_restart_loses_every_task_and_keeps_the_starting_queues(
    cloud_tasks: RunningCloudTasks, client: CloudTasksClient, queue: str
) -> None:
    create(client, STARTING, "lost", schedule_time=utc_now() + timedelta(days=1))
    cloud_tasks.restart_empty()
    assert list(client.list_tasks(parent=STARTING)) == []
    with pytest.raises(exceptions.NotFound):
        client.get_queue(name=queue)


def test_a_large_batch_fits_into_one_call(client: CloudTasksClient, queue: str) -> None:
    many = requests(queue, *(str(number) for number in range(10)))
    for item in many:
        item["task"]["http_request"] = {**HTTP, "body": b"x" * 800_000}
    operation: Any = client.batch_create_tasks(parent=queue, requests=many)
    assert len(operation.result().tasks) == 10


def test_a_channel_to_a_server_that_ended_is_unavailable() -> None:
    with running_cloud_tasks(STARTING) as running:
        address = running.address
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.FutureTimeoutError):
        grpc.channel_ready_future(channel).result(timeout=0.2)
