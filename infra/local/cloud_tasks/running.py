"""A local Cloud Tasks for the length of a `with` block, in a process of its own."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
from google.cloud.tasks_v2 import CloudTasksClient
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from infra.local.cloud_tasks.cloud import TASK_TOMBSTONE
from infra.local.cloud_tasks.faults import Fault
from infra.local.cloud_tasks.task_rules import SHORTEST_DEADLINE
from infra.local.emulator.running import call_control, running_server


@dataclass(frozen=True, slots=True)
class RunningCloudTasks:
    """Where a running server is, and its switches."""

    address: str
    """host:port of gRPC."""
    control_url: str
    certs_url: str

    @contextmanager
    def client(self) -> Generator[CloudTasksClient, None, None]:
        """Yield the real client on a channel to this server."""
        with grpc.insecure_channel(self.address) as channel:
            yield CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))

    def set_faults(self, *faults: Fault) -> None:
        """Turn on exactly these faults, with their counts at zero."""
        call_control(self.control_url, "PUT", "/faults", [asdict(fault) for fault in faults])

    def clear_faults(self) -> None:
        """Turn off every fault."""
        call_control(self.control_url, "DELETE", "/faults")

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that are on, with how often they were asked for and happened."""
        return call_control(self.control_url, "GET", "/faults")["faults"]

    def restart_empty(self) -> None:
        """Lose every task, name and operation, and the queues that it did not start with."""
        call_control(self.control_url, "POST", "/restart-empty")

    def stats(self, queue: str) -> dict[str, int]:
        """Return tasks, in_flight, created, dispatched, succeeded, failed, given_up of a queue."""
        return call_control(self.control_url, "GET", "/stats")["queues"][queue]


@contextmanager
def running_cloud_tasks(
    *queues: str,
    key_file: Path | None = None,
    tombstone: timedelta = TASK_TOMBSTONE,
    shortest_deadline: timedelta = SHORTEST_DEADLINE,
) -> Generator[RunningCloudTasks, None, None]:
    """Run a server on free ports with these queues (full names) and end it afterwards.

    Without a `key_file` the signing key lives as long as the server. Raises `ConfigurationError`
    when the server does not start; it has said why on standard error.
    """
    options = [
        *("--tombstone-seconds", str(tombstone.total_seconds())),
        *("--shortest-deadline-seconds", str(shortest_deadline.total_seconds())),
        *(part for queue in queues for part in ("--queue", queue)),
    ]
    with running_server("infra.local.cloud_tasks", *options, key_file=key_file) as addresses:
        yield RunningCloudTasks(**asdict(addresses))
