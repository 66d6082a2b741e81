"""The product's queue, paused, and the server behind it."""

from dataclasses import dataclass

from google.cloud import tasks_v2

from infra.local.cloud_tasks.running import RunningCloudTasks
from shared.domain.task import WARM_UP_PATH
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
        return [task for task in self._all(queue or self.scheduled) if not _is_warm_up(task)]

    def warm_ups(self) -> list[tasks_v2.Task]:
        """Return the waiting calls that wake a worker."""
        return [task for task in self._all(self.interactive) if _is_warm_up(task)]

    def _all(self, parent: str) -> list[tasks_v2.Task]:
        view = tasks_v2.Task.View.FULL
        return list(self.client.list_tasks({"parent": parent, "response_view": view}))


def _is_warm_up(task: tasks_v2.Task) -> bool:
    return task.http_request.url.endswith(WARM_UP_PATH)
