"""The product's queue, paused, and the server behind it."""

from dataclasses import dataclass

from google.cloud import tasks_v2

from infra.local.cloud_tasks.running import RunningCloudTasks
from shared.gcp.task_queue import CloudTasksQueue


@dataclass(frozen=True, slots=True)
class PausedQueue:
    """The product's queue and the server behind it."""

    queue: CloudTasksQueue
    client: tasks_v2.CloudTasksClient
    server: RunningCloudTasks
    scheduled: str
    interactive: str

    def tasks(self, queue: str | None = None) -> list[tasks_v2.Task]:
        """Return the waiting tasks of a queue (that of scheduled runs unless told otherwise)."""
        parent = queue or self.scheduled
        view = tasks_v2.Task.View.FULL
        return list(self.client.list_tasks({"parent": parent, "response_view": view}))
