"""Resource names: what they look like, and the service's words when they do not."""

import re
import secrets

from infra.local.emulator.errors import invalid
from infra.local.emulator.names import LOCATION

_QUEUE = re.compile(rf"({LOCATION})/queues/([^/]*)")
_QUEUE_ID = re.compile(r"[A-Za-z0-9-]{1,100}")
_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")


def check_queue(name: str) -> None:
    """Refuse what is not `projects/P/locations/L/queues/Q`."""
    location_of(name)


def location_of(queue_name: str) -> str:
    """Return `projects/P/locations/L` of a queue; refuse a malformed queue name."""
    found = _QUEUE.fullmatch(queue_name)
    if found is None:
        raise invalid(
            "Queue name must be formatted: "
            '"projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>"'
        )
    if _QUEUE_ID.fullmatch(found[2]) is None:
        raise invalid(
            f'Queue ID "{found[2]}" can contain only letters ([A-Za-z]), numbers ([0-9]), or '
            "hyphens (-). The maximum length is 100 characters."
        )
    return found[1]


def split_task(name: str) -> tuple[str, str]:
    """Return (queue name, task id) of a task name; refuse a malformed one."""
    queue_name, separator, task_id = name.rpartition("/tasks/")
    if not separator:
        raise invalid(
            'Task name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>'
            '/queues/<QUEUE_ID>/tasks/<TASK_ID>"'
        )
    check_queue(queue_name)
    if _TASK_ID.fullmatch(task_id) is None:
        raise invalid(
            f'Task ID "{task_id}" can contain only letters ([A-Za-z]), numbers ([0-9]), '
            "hyphens (-), or underscores (_). The maximum length is 500 characters."
        )
    return queue_name, task_id


def task_id_in(queue_name: str, task_name: str) -> str:
    """Return the id of a task of that queue; refuse the name of another queue's task."""
    named_queue, task_id = split_task(task_name)
    if named_queue != queue_name:
        raise invalid(
            f'The queue name from request ("{queue_name}") must be the same as the queue name '
            f'in the named task ("{named_queue}").'
        )
    return task_id


def new_task_id() -> str:
    """Return an id for a task that its creator did not name: 20 digits, as the service's."""
    return str(secrets.randbelow(9 * 10**19) + 10**19)
