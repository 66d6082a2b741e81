from typing import Any

import pytest
from grpc import StatusCode

from infra.local.cloud_tasks.batches import create_batch, delete_batch
from infra.local.cloud_tasks.cloud import CloudState
from infra.local.cloud_tasks.messages import (
    BatchCreateTasksMetadata,
    BatchCreateTasksRequest,
    BatchCreateTasksResponse,
    BatchDeleteTasksMetadata,
    BatchDeleteTasksRequest,
    CreateTaskRequest,
)
from infra.local.emulator.errors import ApiError
from tests.infra.cloud_tasks.hand import NOW, QUEUE, cloud, task

FREE, TAKEN = "free", "taken"


def create(state: CloudState, *task_ids: str, request_id: str = "", parent: str = QUEUE) -> Any:
    requests = [CreateTaskRequest(parent=parent, task=task(task_id)) for task_id in task_ids]
    request = BatchCreateTasksRequest(parent=QUEUE, requests=requests, request_id=request_id)

    def create_one(queue_name: str, item: Any) -> Any:
        return state.create_task(queue_name, item.task, NOW)[1].message

    return create_batch(state, request, NOW, create_one)


def delete(state: CloudState, *task_ids: str) -> Any:
    names = [f"{QUEUE}/tasks/{task_id}" for task_id in task_ids]
    return delete_batch(state, BatchDeleteTasksRequest(parent=QUEUE, names=names), NOW)


def unpacked(packed: Any, message: Any) -> Any:
    assert packed.Unpack(message)
    return message


def test_a_batch_creates_its_tasks_and_is_finished_at_once() -> None:
    state = cloud()
    operation = create(state, "a", "b")
    response = unpacked(operation.response, BatchCreateTasksResponse())
    metadata = unpacked(operation.metadata, BatchCreateTasksMetadata())
    assert operation.done
    assert [created.name for created in response.tasks] == [f"{QUEUE}/tasks/{t}" for t in "ab"]
    assert metadata.state == BatchCreateTasksMetadata.SUCCEEDED
    assert state.operation(operation.name) == operation


def test_a_failing_task_fails_alone_and_is_named_by_its_index() -> None:
    state = cloud()
    create(state, TAKEN)
    operation = create(state, FREE, TAKEN)
    metadata = unpacked(operation.metadata, BatchCreateTasksMetadata())
    assert metadata.state == BatchCreateTasksMetadata.PARTIALLY_SUCCEEDED
    assert {index: status.code for index, status in metadata.failed_requests.items()} == {1: 6}
    assert len(unpacked(operation.response, BatchCreateTasksResponse()).tasks) == 1


def test_a_batch_of_which_nothing_succeeds_is_aborted() -> None:
    state = cloud()
    create(state, TAKEN)
    operation = create(state, TAKEN)
    assert operation.error.code == StatusCode.ABORTED.value[0]
    assert "None of the requests succeeded" in operation.error.message


def test_a_batch_sent_again_with_its_id_is_not_done_again() -> None:
    state = cloud()
    first = create(state, "a", request_id="once")
    assert create(state, "a", request_id="once") == first


@pytest.mark.parametrize("size", [0, 101])
def test_a_batch_has_1_to_100_tasks(size: int) -> None:
    with pytest.raises(ApiError, match="between 1 and 100"):
        create(cloud(), *(str(number) for number in range(size)))


def test_a_batch_is_for_one_queue() -> None:
    state = cloud()
    with pytest.raises(ApiError, match="parent of the batch"):
        create(state, "a", parent=f"{QUEUE}-other")
    assert len(state.queue(QUEUE)) == 0


def test_a_batch_for_a_queue_that_does_not_exist_is_not_found() -> None:
    state = cloud()
    state.delete_queue(QUEUE, NOW)
    with pytest.raises(ApiError, match="Queue does not exist"):
        create(state, "a")


def test_a_batch_deletes_what_is_there_and_names_what_is_not() -> None:
    state = cloud()
    create(state, "a", "b")
    operation = delete(state, "a", "gone", "b")
    metadata = unpacked(operation.metadata, BatchDeleteTasksMetadata())
    assert metadata.state == BatchDeleteTasksMetadata.PARTIALLY_SUCCEEDED
    assert {index: status.code for index, status in metadata.failed_requests.items()} == {1: 5}
    assert len(state.queue(QUEUE)) == 0


def test_more_than_1000_deletions_are_refused() -> None:
    with pytest.raises(ApiError, match="between 1 and 1000"):
        delete(cloud(), *(str(number) for number in range(1_001)))
