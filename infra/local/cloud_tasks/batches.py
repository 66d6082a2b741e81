"""Batches: up to 100 creations or 1,000 deletions in one call, each failing for itself."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from grpc import StatusCode

from infra.local.cloud_tasks import names
from infra.local.cloud_tasks.cloud import CloudState
from infra.local.cloud_tasks.messages import (
    BatchCreateTasksMetadata,
    BatchCreateTasksResponse,
    BatchDeleteTasksMetadata,
    Message,
    Operation,
    OperationMessage,
    TaskMessage,
)
from infra.local.emulator.errors import ApiError, invalid

_MAX_CREATIONS = 100
_MAX_DELETIONS = 1_000


def create_batch(
    cloud: CloudState,
    request: Message,
    now: datetime,
    create: Callable[[str, Message], TaskMessage],
) -> OperationMessage:
    """Create each task of the batch; the operation that is returned is finished.

    `create` stores one task of a CreateTaskRequest and returns it as the caller sees it. Other
    queues in the batch, none or more than 100 requests refuse it as a whole.
    """
    _check_size(len(request.requests), _MAX_CREATIONS, "BatchCreateTasksRequest.requests")
    if any(item.parent not in ("", request.parent) for item in request.requests):
        raise invalid("All requests of a batch must have the parent of the batch.")
    name = _operation_name(cloud, request)
    known = cloud.known_operation(name)
    if known is not None:
        return known
    response = BatchCreateTasksResponse()
    metadata = BatchCreateTasksMetadata()

    def create_one(index: int) -> None:
        response.tasks.append(create(request.parent, request.requests[index]))

    _each(len(request.requests), create_one, metadata, now)
    return _finished(cloud, name, response, metadata, len(request.requests))


def delete_batch(cloud: CloudState, request: Message, now: datetime) -> OperationMessage:
    """Delete each task of the batch; the operation that is returned is finished."""
    _check_size(len(request.names), _MAX_DELETIONS, "BatchDeleteTasksRequest.names")
    for task_name in request.names:
        names.task_id_in(request.parent, task_name)
    name = _operation_name(cloud, request)
    known = cloud.known_operation(name)
    if known is not None:
        return known
    metadata = BatchDeleteTasksMetadata()

    def delete_one(index: int) -> None:
        cloud.delete_task(request.names[index], now)

    _each(len(request.names), delete_one, metadata, now)
    return _finished(cloud, name, None, metadata, len(request.names))


def _check_size(size: int, most: int, what: str) -> None:
    if not 0 < size <= most:
        raise invalid(f"{what} must have between 1 and {most} items, not {size}.")


def _operation_name(cloud: CloudState, request: Message) -> str:
    cloud.queue(request.parent)
    location = names.location_of(request.parent)
    return f"{location}/operations/{request.request_id or uuid4()}"


def _each(count: int, do: Callable[[int], None], metadata: Any, now: datetime) -> None:
    metadata.start_time.FromDatetime(now)
    for index in range(count):
        try:
            do(index)
        except ApiError as error:
            metadata.failed_requests[index].code = error.code
            metadata.failed_requests[index].message = error.message
    metadata.end_time.FromDatetime(now)
    partly = bool(metadata.failed_requests)
    metadata.state = metadata.PARTIALLY_SUCCEEDED if partly else metadata.SUCCEEDED


def _finished(
    cloud: CloudState, name: str, response: Message | None, metadata: Message, count: int
) -> OperationMessage:
    operation = Operation(name=name, done=True)
    operation.metadata.Pack(metadata)
    if len(metadata.failed_requests) == count:
        operation.error.code = StatusCode.ABORTED.value[0]
        operation.error.message = (
            f"None of the requests succeeded, refer to {metadata.DESCRIPTOR.name}.failed_requests "
            "for individual error details"
        )
    elif response is None:
        operation.response.type_url = "type.googleapis.com/google.protobuf.Empty"
    else:
        operation.response.Pack(response)
    cloud.keep_operation(operation)
    return operation
