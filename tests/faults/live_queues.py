"""The two queues of a deployment in the real Cloud Tasks of this machine, and what befalls them."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from time import monotonic, sleep

from google.api_core.exceptions import NotFound
from google.cloud import tasks_v2
from google.protobuf.duration_pb2 import Duration

from infra.local.cloud_tasks.faults import Fault, FaultKind
from infra.local.cloud_tasks.running import RunningCloudTasks
from infra.local.emulator.running import call_control
from shared.config import Settings

_SETTLED_SECONDS = 60.0
_NAP_SECONDS = 0.05
_AT_ONCE = 6
_SHORTEST_BACKOFF = timedelta(milliseconds=20)
_LONGEST_BACKOFF = timedelta(milliseconds=200)


class Queues:
    """Both queues, which nobody else uses; `attempts` after which a task is given up."""

    def __init__(
        self,
        cloud: RunningCloudTasks,
        client: tasks_v2.CloudTasksClient,
        settings: Settings,
        attempts: int,
    ) -> None:
        self._cloud = cloud
        self._client = client
        self._attempts = attempts
        self._dropped = 0
        parent = f"projects/{settings.project}/locations/{settings.location}"
        names = (settings.scheduled_queue, settings.interactive_queue)
        self._names = [f"{parent}/queues/{name}" for name in names]

    def make(self) -> None:
        """Make them, quick to try again, and with few deliveries at a time."""
        for name in self._names:
            queue = tasks_v2.Queue(
                name=name,
                rate_limits=tasks_v2.RateLimits(max_concurrent_dispatches=_AT_ONCE),
                retry_config=tasks_v2.RetryConfig(
                    max_attempts=self._attempts,
                    min_backoff=_duration(_SHORTEST_BACKOFF),
                    max_backoff=_duration(_LONGEST_BACKOFF),
                ),
            )
            self._client.create_queue(parent=name.partition("/queues/")[0], queue=queue)

    def pause(self) -> None:
        """Let the queues fill."""
        for name in self._names:
            self._client.pause_queue(name=name)

    def resume(self) -> None:
        """Let the queues deliver."""
        for name in self._names:
            self._client.resume_queue(name=name)

    def purge(self) -> None:
        """Remove every task."""
        for name in self._names:
            self._client.purge_queue(name=name)
        self._dropped = 0

    def close(self) -> None:
        """Deliver nothing more, also of what is still to come."""
        with suppress(NotFound):
            self.pause()
            self.purge()

    def restart_empty(self) -> None:
        """Let Cloud Tasks forget everything, the queues included."""
        self._cloud.restart_empty()
        self._dropped = 0

    def tasks(self) -> list[tasks_v2.Task]:
        """Return the tasks that are in the queues, oldest first of each."""
        view = tasks_v2.Task.View.FULL
        requests = [{"parent": name, "response_view": view} for name in self._names]
        return [task for request in requests for task in self._client.list_tasks(request)]

    def stats(self) -> Counter[str]:
        """Return tasks, in_flight, created, dispatched, succeeded, failed, given_up of both."""
        total: Counter[str] = Counter()
        queues = call_control(self._cloud.control_url, "GET", "/stats")["queues"]
        for name in self._names:
            total.update(queues[name])
        return total

    def order_again(self, tasks: Iterable[tasks_v2.Task]) -> None:
        """Make tasks that were made before, with their names, one after the other."""
        for task in tasks:
            again = tasks_v2.Task(name=task.name, http_request=task.http_request)
            self._client.create_task(parent=task.name.partition("/tasks/")[0], task=again)

    def end_faults(self) -> Counter[FaultKind]:
        """Turn the faults off; return how often each happened."""
        hits: Counter[FaultKind] = Counter()
        for fault in self._cloud.faults():
            hits[FaultKind(fault["kind"])] += fault["hits"]
        self._cloud.clear_faults()
        self._dropped += hits[FaultKind.DROP]
        return hits

    def settle(self) -> None:
        """Wait until everything has come that still comes by itself."""
        self._wait(lambda stats: not stats["in_flight"] and stats["tasks"] <= self._dropped)

    def deliver_now(self, name: str) -> None:
        """Deliver a task at once, also from a paused queue, and wait for its end."""
        self._client.run_task(name=name)
        self._wait(lambda stats: not stats["in_flight"])

    def set_faults(self, *faults: Fault) -> None:
        """Turn on exactly these faults."""
        self._cloud.set_faults(*faults)

    def _wait(self, is_over: Callable[[Counter[str]], bool]) -> None:
        until = monotonic() + _SETTLED_SECONDS
        while not is_over(stats := self.stats()):
            assert monotonic() < until, f"the queues do not settle: {stats}"
            sleep(_NAP_SECONDS)


def _duration(value: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(value)
    return duration
