"""The protobuf messages of the API, and how their times become Python's."""

from datetime import UTC, datetime
from typing import Any, TypeAlias

from google.cloud import scheduler_v1
from google.protobuf import empty_pb2, field_mask_pb2

from infra.local.emulator.messages import Message

# protobuf builds these classes at run time, so there is no type that a checker could know.
JobMessage: TypeAlias = Any
TargetMessage: TypeAlias = Any

Job = scheduler_v1.Job.pb()
CreateJobRequest = scheduler_v1.CreateJobRequest.pb()
UpdateJobRequest = scheduler_v1.UpdateJobRequest.pb()
GetJobRequest = scheduler_v1.GetJobRequest.pb()
ListJobsRequest = scheduler_v1.ListJobsRequest.pb()
ListJobsResponse = scheduler_v1.ListJobsResponse.pb()
DeleteJobRequest = scheduler_v1.DeleteJobRequest.pb()
PauseJobRequest = scheduler_v1.PauseJobRequest.pb()
ResumeJobRequest = scheduler_v1.ResumeJobRequest.pb()
RunJobRequest = scheduler_v1.RunJobRequest.pb()
Empty = empty_pb2.Empty
FieldMask = field_mask_pb2.FieldMask

ENABLED = int(scheduler_v1.Job.State.ENABLED)
PAUSED = int(scheduler_v1.Job.State.PAUSED)


def method_name(target: TargetMessage) -> str:
    """Return the HTTP method of a target; unspecified means POST."""
    method = scheduler_v1.HttpMethod(target.http_method)
    unspecified = method is scheduler_v1.HttpMethod.HTTP_METHOD_UNSPECIFIED
    return "POST" if unspecified else method.name


def set_instant(timestamp: Message, instant: datetime) -> None:
    """Set a Timestamp to an aware instant."""
    timestamp.FromDatetime(instant.astimezone(UTC).replace(tzinfo=None))
