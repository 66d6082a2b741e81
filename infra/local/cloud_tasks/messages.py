"""The protobuf messages of the API, without the proto-plus wrappers that cost most of a call."""

from datetime import UTC, datetime
from typing import Any, TypeAlias

from google.cloud import tasks_v2
from google.longrunning import operations_pb2

from infra.local.emulator.messages import Message

# protobuf builds these classes at run time, so there is no type that a checker could know.
TaskMessage: TypeAlias = Any
QueueMessage: TypeAlias = Any
RetryConfigMessage: TypeAlias = Any
OperationMessage: TypeAlias = Any

Task = tasks_v2.Task.pb()
Queue = tasks_v2.Queue.pb()
CreateTaskRequest = tasks_v2.CreateTaskRequest.pb()
BatchCreateTasksRequest = tasks_v2.BatchCreateTasksRequest.pb()
BatchCreateTasksResponse = tasks_v2.BatchCreateTasksResponse.pb()
BatchCreateTasksMetadata = tasks_v2.BatchCreateTasksMetadata.pb()
BatchDeleteTasksRequest = tasks_v2.BatchDeleteTasksRequest.pb()
BatchDeleteTasksMetadata = tasks_v2.BatchDeleteTasksMetadata.pb()
GetTaskRequest = tasks_v2.GetTaskRequest.pb()
ListTasksRequest = tasks_v2.ListTasksRequest.pb()
ListTasksResponse = tasks_v2.ListTasksResponse.pb()
DeleteTaskRequest = tasks_v2.DeleteTaskRequest.pb()
RunTaskRequest = tasks_v2.RunTaskRequest.pb()
GetQueueRequest = tasks_v2.GetQueueRequest.pb()
ListQueuesRequest = tasks_v2.ListQueuesRequest.pb()
ListQueuesResponse = tasks_v2.ListQueuesResponse.pb()
CreateQueueRequest = tasks_v2.CreateQueueRequest.pb()
UpdateQueueRequest = tasks_v2.UpdateQueueRequest.pb()
DeleteQueueRequest = tasks_v2.DeleteQueueRequest.pb()
PurgeQueueRequest = tasks_v2.PurgeQueueRequest.pb()
PauseQueueRequest = tasks_v2.PauseQueueRequest.pb()
ResumeQueueRequest = tasks_v2.ResumeQueueRequest.pb()
Operation = operations_pb2.Operation
GetOperationRequest = operations_pb2.GetOperationRequest

RUNNING = int(tasks_v2.Queue.State.RUNNING)
PAUSED = int(tasks_v2.Queue.State.PAUSED)
BASIC = int(tasks_v2.Task.View.BASIC)
FULL = int(tasks_v2.Task.View.FULL)


def instant(timestamp: Message) -> datetime:
    """Return a Timestamp as an aware instant, cut to the microsecond.

    Raises `ValueError` or `OverflowError` for one that no calendar holds.
    """
    return timestamp.ToDatetime(tzinfo=UTC)


def view_of(task: TaskMessage, view: int) -> TaskMessage:
    """Return a copy of the task as a caller sees it: without the body unless `view` is FULL."""
    copy = Task()
    copy.CopyFrom(task)
    if view == FULL:
        copy.view = FULL
        return copy
    copy.view = BASIC
    copy.http_request.ClearField("body")
    return copy
