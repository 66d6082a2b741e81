"""The HTTP request of an attempt: what the service sends beside what the task says."""

from datetime import datetime

from google.cloud.tasks_v2 import HttpMethod

from infra.local.cloud_tasks.queue import Attempt
from infra.local.emulator.messages import duration
from infra.local.emulator.outgoing import OutgoingRequest, ReservedHeaders, with_token
from infra.local.identity import LocalSigner

USER_AGENT = "Google-Cloud-Tasks"
_RESERVED = ReservedHeaders(
    names=frozenset(
        {"host", "content-length", "user-agent", "connection", "transfer-encoding", "expect"}
    ),
    prefixes=("x-cloudtasks-", "x-google-", "x-appengine-"),
)


def outgoing_request(
    queue_name: str, attempt: Attempt, signer: LocalSigner, now: datetime
) -> OutgoingRequest:
    """Return the request of an attempt, with a token for it that is valid at `now`."""
    message = attempt.task.message
    request = message.http_request
    headers = _RESERVED.without(request.headers)
    if request.HasField("oidc_token"):
        headers = with_token(headers, request.oidc_token, request.url, signer, now)
    headers["User-Agent"] = USER_AGENT
    headers.update(_task_headers(queue_name, attempt))
    return OutgoingRequest(
        method=HttpMethod(request.http_method).name,
        url=request.url,
        headers=headers,
        body=request.body,
        deadline=duration(message.dispatch_deadline),
    )


def _task_headers(queue_name: str, attempt: Attempt) -> dict[str, str]:
    headers = {
        "X-CloudTasks-QueueName": queue_name.rpartition("/")[2],
        "X-CloudTasks-TaskName": attempt.task.task_id,
        "X-CloudTasks-TaskRetryCount": str(attempt.number - 1),
        "X-CloudTasks-TaskExecutionCount": str(attempt.execution_count),
        "X-CloudTasks-TaskETA": f"{attempt.scheduled_at.timestamp():.6f}",
    }
    if attempt.previous_status is not None:
        headers["X-CloudTasks-TaskPreviousResponse"] = str(attempt.previous_status)
        headers["X-CloudTasks-TaskRetryReason"] = ""
    return headers
