"""Hand runs to Cloud Tasks: named tasks with ids only, over one client a process."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import repeat

import grpc
from google.api_core.exceptions import (
    AlreadyExists,
    DeadlineExceeded,
    GoogleAPIError,
    InternalServerError,
    ServiceUnavailable,
)
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from shared.clock import monotonic
from shared.config import Settings
from shared.domain.run import task_id
from shared.domain.task import (
    DISPATCH_DEADLINE,
    TaskFailure,
    TaskOrder,
    write_task,
)

_CONCURRENT_CALLS = 32
_CALL_TIMEOUT_SECONDS = 10.0
_PATIENCE_SECONDS = 15.0
"""How long the calls of one batch are repeated, well below the time of a tick."""
# A named create may be repeated: the second one is answered AlreadyExists.
_RETRY = Retry(
    predicate=if_exception_type(ServiceUnavailable, DeadlineExceeded, InternalServerError),
    initial=0.1,
    maximum=2.0,
)


class CloudTasksQueue:
    """The two queues of a deployment."""

    def __init__(self, client: tasks_v2.CloudTasksClient, settings: Settings) -> None:
        self._client = client
        self._worker_url = settings.worker_url
        self._service_account = settings.tasks_service_account
        self._scheduled = client.queue_path(
            settings.project, settings.location, settings.scheduled_queue
        )
        self._interactive = client.queue_path(
            settings.project, settings.location, settings.interactive_queue
        )

    def task_name(self, order: TaskOrder) -> str:
        """Return the full name of an order's task."""
        return f"{self._parent(order)}/tasks/{order.task_id}"

    def enqueue(self, orders: Sequence[TaskOrder]) -> Iterator[TaskOrder | TaskFailure]:
        """Make the tasks with concurrent calls; yield each order taken, or why it was not.

        A task that exists already counts as taken: somebody else enqueued the same run. While
        Cloud Tasks is away, a batch of any size ends soon after its patience.
        """
        patient_until = monotonic() + _PATIENCE_SECONDS
        if len(orders) == 1:
            yield self._create(orders[0], patient_until)
            return
        with ThreadPoolExecutor(_CONCURRENT_CALLS, thread_name_prefix="enqueue") as pool:
            yield from pool.map(self._create, orders, repeat(patient_until))

    def order_errand(self, path: str, now: datetime) -> bool:
        """Make a task that calls the worker at a path, once for a minute; return if it is taken."""
        minute = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
        task = tasks_v2.Task(
            name=f"{self._interactive}/tasks/{task_id(f'{path}:{minute}', 0)}",
            http_request=self._request(f"{self._worker_url.rstrip('/')}{path}", b"{}"),
        )
        request = tasks_v2.CreateTaskRequest(parent=self._interactive, task=task)
        try:
            self._client.create_task(request, retry=None, timeout=_CALL_TIMEOUT_SECONDS)
        except AlreadyExists:
            return True
        except (GoogleAPIError, GoogleAuthError):
            return False
        return True

    def close(self) -> None:
        """Close the connection to Cloud Tasks."""
        self._client.transport.close()

    def _create(self, order: TaskOrder, patient_until: float) -> TaskOrder | TaskFailure:
        request = tasks_v2.CreateTaskRequest(parent=self._parent(order), task=self._task(order))
        retry = _RETRY.with_timeout(max(0.0, patient_until - monotonic()))
        try:
            self._client.create_task(request, retry=retry, timeout=_CALL_TIMEOUT_SECONDS)
        except AlreadyExists:
            return order
        except (GoogleAPIError, GoogleAuthError) as error:
            # Also RetryError, which is what remains of a retryable error when patience ends.
            # The text of the library for credentials may quote the answer to them.
            is_api = isinstance(error, GoogleAPIError)
            return TaskFailure(order, f"{type(error).__name__}{f': {error}' if is_api else ''}")
        return order

    def _parent(self, order: TaskOrder) -> str:
        return self._interactive if order.is_interactive else self._scheduled

    def _task(self, order: TaskOrder) -> tasks_v2.Task:
        schedule_time = Timestamp()
        schedule_time.FromDatetime(order.schedule_time)
        deadline = Duration()
        deadline.FromTimedelta(DISPATCH_DEADLINE)
        return tasks_v2.Task(
            name=self.task_name(order),
            schedule_time=schedule_time,
            dispatch_deadline=deadline,
            http_request=self._request(self._worker_url, write_task(order)),
        )

    def _request(self, url: str, body: bytes) -> tasks_v2.HttpRequest:
        return tasks_v2.HttpRequest(
            url=url,
            http_method=tasks_v2.HttpMethod.POST,
            headers={"Content-Type": "application/json"},
            body=body,
            oidc_token=tasks_v2.OidcToken(
                service_account_email=self._service_account, audience=self._worker_url
            ),
        )


def tasks_client(emulator: str | None) -> tasks_v2.CloudTasksClient:
    """Return the client of Cloud Tasks, or of a local one at `host:port`."""
    if emulator is None:
        return tasks_v2.CloudTasksClient()
    channel = grpc.insecure_channel(emulator)
    return tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
