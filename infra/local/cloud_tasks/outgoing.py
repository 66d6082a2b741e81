"""The HTTP request of an attempt: what the service sends beside what the task says."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from google.cloud.tasks_v2 import HttpMethod

from infra.local.cloud_tasks.messages import duration
from infra.local.cloud_tasks.queue import Attempt
from infra.local.identity import LocalSigner

USER_AGENT = "Google-Cloud-Tasks"
_REPLACED = frozenset(
    {"host", "content-length", "user-agent", "connection", "transfer-encoding", "expect"}
)
_REPLACED_PREFIXES = ("x-cloudtasks-", "x-google-", "x-appengine-")


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """One HTTP request, ready to send."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    deadline: timedelta


def outgoing_request(
    queue_name: str, attempt: Attempt, signer: LocalSigner, now: datetime
) -> OutgoingRequest:
    """Return the request of an attempt, with a token for it that is valid at `now`."""
    message = attempt.task.message
    request = message.http_request
    headers = {
        name: value for name, value in request.headers.items() if not _is_replaced(name.lower())
    }
    if request.HasField("oidc_token"):
        oidc = request.oidc_token
        token = signer.token(oidc.service_account_email, oidc.audience or request.url, now)
        headers = {name: value for name, value in headers.items() if name.lower() != _AUTHORIZATION}
        headers["Authorization"] = f"Bearer {token}"
    headers["User-Agent"] = USER_AGENT
    headers.update(_task_headers(queue_name, attempt))
    return OutgoingRequest(
        method=HttpMethod(request.http_method).name,
        url=request.url,
        headers=headers,
        body=request.body,
        deadline=duration(message.dispatch_deadline),
    )


_AUTHORIZATION = "authorization"


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


def _is_replaced(name: str) -> bool:
    return name in _REPLACED or name.startswith(_REPLACED_PREFIXES)
