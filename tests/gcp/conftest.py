"""One local Cloud Tasks for these tests; each test has queues of its own."""

from collections.abc import Iterator

import pytest
from google.cloud import tasks_v2

from infra.local.cloud_tasks.running import RunningCloudTasks, running_cloud_tasks
from shared.gcp.task_queue import tasks_client


@pytest.fixture(scope="package")
def cloud_tasks() -> Iterator[RunningCloudTasks]:
    with running_cloud_tasks() as server:
        yield server


@pytest.fixture
def client(cloud_tasks: RunningCloudTasks) -> Iterator[tasks_v2.CloudTasksClient]:
    """Return the product's client of the local Cloud Tasks."""
    with tasks_client(cloud_tasks.address) as client:
        yield client
    cloud_tasks.clear_faults()
