"""A hand clock's instant and the shortest way to queues and tasks of the pure core."""

from datetime import UTC, datetime, timedelta
from typing import Any

from infra.local.cloud_tasks.cloud import CloudState, Rules
from infra.local.cloud_tasks.messages import Queue, Task
from infra.local.cloud_tasks.queue import QueueState

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
LOCATION = "projects/demo/locations/europe-north1"
QUEUE = f"{LOCATION}/queues/syncs"


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def task(task_id: str = "", **fields: Any) -> Any:
    fields.setdefault("http_request", {"url": "http://worker/run"})
    return Task(name=f"{QUEUE}/tasks/{task_id}" if task_id else "", **fields)


def cloud(**rules: Any) -> CloudState:
    return CloudState(Rules(starting_queues=(QUEUE,), **rules), NOW)


def queue(**config: Any) -> tuple[CloudState, QueueState]:
    state = CloudState(Rules(), NOW)
    return state, state.create_queue(LOCATION, Queue(name=QUEUE, **config), NOW)
