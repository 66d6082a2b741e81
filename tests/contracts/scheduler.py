"""Jobs to make and things to wait for, for the contract suite of Cloud Scheduler."""

import time
from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

from google.cloud.scheduler_v1 import Job

from infra.local.cloud_scheduler.running import RunningCloudScheduler
from tests.infra.cloud_scheduler.recorder import Received, Recorder

PARENT = "projects/demo/locations/europe-north1"
SCHEDULE_TIME = "x-cloudscheduler-scheduletime"
_PATIENCE_SECONDS = 20


def job_for(target: Recorder, **fields: object) -> Job:
    """Return a new minutely job that calls the target."""
    http_target = {"uri": target.url, "http_method": "POST"}
    complete: dict[str, object] = {
        "name": f"{PARENT}/jobs/job-{uuid4().hex}",
        "schedule": "* * * * *",
        "time_zone": "Etc/UTC",
        "http_target": http_target,
    }
    return Job({**complete, **fields})


def until(found: Callable[[], bool]) -> None:
    """Wait for something that happens elsewhere."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def schedule_times(received: list[Received]) -> list[datetime]:
    return [datetime.fromisoformat(each.headers[SCHEDULE_TIME]) for each in received]


def quiet(scheduler: RunningCloudScheduler) -> None:
    """Wait until no execution is outstanding."""
    until(lambda: scheduler.stats()["outstanding"] == 0)
