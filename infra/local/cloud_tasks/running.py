"""A local Cloud Tasks for the length of a `with` block, in a process of its own."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import requests
from google.cloud.tasks_v2 import CloudTasksClient
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from infra.local.cloud_tasks.cloud import TASK_TOMBSTONE
from infra.local.cloud_tasks.faults import Fault
from infra.local.cloud_tasks.task_rules import SHORTEST_DEADLINE
from infra.local.leash import Leash
from shared.errors import ConfigurationError

_STOP_SECONDS = 10.0
_CALL_SECONDS = 10.0


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
        self._call("PUT", "/faults", [asdict(fault) for fault in faults])

    def clear_faults(self) -> None:
        """Turn off every fault."""
        self._call("DELETE", "/faults")

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that are on, with how often they were asked for and happened."""
        return self._call("GET", "/faults")["faults"]

    def restart_empty(self) -> None:
        """Lose every task, name and operation, and the queues that it did not start with."""
        self._call("POST", "/restart-empty")

    def stats(self, queue: str) -> dict[str, int]:
        """Return tasks, in_flight, created, dispatched, succeeded, failed, given_up of a queue."""
        return self._call("GET", "/stats")["queues"][queue]

    def _call(self, method: str, path: str, body: Sequence[Mapping[str, Any]] | None = None) -> Any:
        response = requests.request(
            method, f"{self.control_url}{path}", json=body, timeout=_CALL_SECONDS
        )
        response.raise_for_status()
        return response.json() if response.content else None


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
    with tempfile.TemporaryDirectory(prefix="syncline-tasks-") as folder:
        command = [
            *(sys.executable, "-m", "infra.local.cloud_tasks", "--port", "0"),
            *("--key-file", str(key_file or Path(folder) / "identity.pem")),
            *("--tombstone-seconds", str(tombstone.total_seconds())),
            *("--shortest-deadline-seconds", str(shortest_deadline.total_seconds())),
        ]
        for queue in queues:
            command += ["--queue", queue]
        with _child(command) as child:
            yield _first_line(child)


@contextmanager
def _child(command: Sequence[str]) -> Generator[subprocess.Popen[str], None, None]:
    root = Path(__file__).resolve().parents[3]
    with (
        Leash() as leash,
        subprocess.Popen(
            command, cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as child,
    ):
        leash.hold(child.pid, signal.SIGTERM)
        try:
            yield child
        finally:
            _end(child)
            leash.release(child.pid)


def _first_line(child: subprocess.Popen[str]) -> RunningCloudTasks:
    line = child.stdout.readline() if child.stdout is not None else ""
    if not line:
        raise ConfigurationError("The local Cloud Tasks did not start.")
    return RunningCloudTasks(**json.loads(line))


def _end(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
