"""Lists in pages: tasks in order of creation, queues by name."""

from collections.abc import Iterable

from infra.local.cloud_tasks.messages import (
    ListQueuesResponse,
    ListTasksResponse,
    Message,
    view_of,
)
from infra.local.cloud_tasks.queue import QueueState
from infra.local.emulator.errors import invalid, not_served

_MOST_TASKS = 1_000
_MOST_QUEUES = 9_800
# A client takes 4 MiB at once unless told otherwise, and one task has up to 1 MiB.
_MOST_BYTES = 2 * 1_024 * 1_024


def task_page(queue: QueueState, request: Message) -> Message:
    """Return one page of a queue's tasks; it costs what it holds, at any length of the queue."""
    size = _page_size(request.page_size, _MOST_TASKS)
    response = ListTasksResponse()
    total_bytes = 0
    last = _task_token(request.page_token)
    for task in queue.after(last):
        if len(response.tasks) == size or total_bytes > _MOST_BYTES:
            response.next_page_token = str(last)
            break
        view = view_of(task.message, request.response_view)
        total_bytes += view.ByteSize()
        response.tasks.append(view)
        last = task.sequence
    return response


def queue_page(queues: Iterable[QueueState], request: Message) -> Message:
    """Return one page of the queues of a location."""
    if request.filter:
        raise not_served("Cloud Tasks", "ListQueuesRequest.filter")
    size = _page_size(request.page_size, _MOST_QUEUES)
    prefix = f"{request.parent}/queues/"
    found = sorted(
        (
            queue
            for queue in queues
            if queue.name.startswith(prefix) and queue.name > request.page_token
        ),
        key=_name,
    )
    response = ListQueuesResponse(queues=[queue.config for queue in found[:size]])
    if len(found) > size:
        response.next_page_token = found[size - 1].name
    return response


def _page_size(asked: int, most: int) -> int:
    if asked < 0:
        raise invalid("The page size must not be negative.")
    return min(asked or most, most)


def _task_token(token: str) -> int:
    if not token:
        return 0
    if not token.isdecimal():
        raise invalid("The page token is not valid.")
    return int(token)


def _name(queue: QueueState) -> str:
    return queue.name
