"""The product's queue, paused, and the server behind it."""

from dataclasses import dataclass

from google.cloud import tasks_v2

from infra.local.cloud_tasks.running import RunningCloudTasks
from shared.domain.task import LOOK_PATH, WARM_UP_PATH
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
        """Return the tasks of runs that wait in a queue (the scheduled one unless told)."""
        waiting = self._all(queue or self.scheduled)
        return [task for task in waiting if not _path(task).endswith((WARM_UP_PATH, LOOK_PATH))]

    def warm_ups(self) -> list[tasks_v2.Task]:
        """Return the waiting calls that wake a worker."""
        return [task for task in self._all(self.interactive) if _path(task).endswith(WARM_UP_PATH)]

    def looks(self) -> list[tasks_v2.Task]:
        """Return the waiting calls that let a worker look at connectors."""
        return [task for task in self._all(self.interactive) if _path(task).endswith(LOOK_PATH)]

    def _all(self, parent: str) -> list[tasks_v2.Task]:
        view = tasks_v2.Task.View.FULL
        return list(self.client.list_tasks({"parent": parent, "response_view": view}))


def _path(task: tasks_v2.Task) -> str:
    return task.http_request.url
