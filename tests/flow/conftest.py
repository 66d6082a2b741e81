"""A real queue for the flows: paused, so that a test looks at the tasks before they run."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from google.cloud import tasks_v2

from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from shared.gcp.queues import ensure_queues
from shared.gcp.task_queue import CloudTasksQueue
from tests.settings import make_settings


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


@pytest.fixture(scope="session")
def cloud_tasks() -> Iterator[RunningCloudTasks]:
    with running_cloud_tasks() as server:
        yield server


@pytest.fixture
def paused(cloud_tasks: RunningCloudTasks) -> Iterator[PausedQueue]:
    settings = make_settings()
    with cloud_tasks.client() as client:
        ensure_queues(client, settings)
        names = [
            client.queue_path(settings.project, settings.location, queue)
            for queue in (settings.scheduled_queue, settings.interactive_queue)
        ]
        for name in names:
            client.pause_queue(name=name)
        yield PausedQueue(CloudTasksQueue(client, settings), client, cloud_tasks, *names)
        cloud_tasks.clear_faults()
