"""A local Cloud Scheduler for the length of a `with` block, in a process of its own."""

import json
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from google.cloud.scheduler_v1 import CloudSchedulerClient
from google.cloud.scheduler_v1.services.cloud_scheduler.transports import (
    CloudSchedulerGrpcTransport,
)

from infra.local.cloud_scheduler.faults import Fault
from infra.local.leash import Leash
from shared.errors import ConfigurationError

_ROOT = Path(__file__).resolve().parents[3]
_CALL_SECONDS = 10.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RunningCloudScheduler:
    """Where a running scheduler is, and its switches."""

    address: str
    """host:port of gRPC."""
    control_url: str
    certs_url: str

    @contextmanager
    def client(self) -> Generator[CloudSchedulerClient, None, None]:
        """Yield the real client on a channel to this scheduler."""
        with grpc.insecure_channel(self.address) as channel:
            yield CloudSchedulerClient(transport=CloudSchedulerGrpcTransport(channel=channel))

    def set_faults(self, *faults: Fault) -> None:
        """Turn on exactly these faults, with their counts at zero."""
        self._call("PUT", "/faults", [asdict(fault) for fault in faults])

    def clear_faults(self) -> None:
        """Turn off every fault."""
        self._call("DELETE", "/faults")

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that are on, with how often they happened."""
        return self._call("GET", "/faults")["faults"]

    def advance(self, by: timedelta) -> datetime:
        """Move the scheduler's clock ahead and return what it shows then.

        What falls due by that is sent at once: a job fires once, for the first of the instants
        that were jumped over. Tokens are dated by the true clock.
        """
        answer = self._call("POST", "/clock", {"advance_seconds": by.total_seconds()})
        return datetime.fromisoformat(answer["now"])

    def stats(self) -> dict[str, int]:
        """Return jobs, outstanding, fired, forced, skipped, retried, succeeded and failed."""
        return self._call("GET", "/stats")

    def _call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 (our own loopback URL)
            f"{self.control_url}{path}", data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=_CALL_SECONDS) as response:  # noqa: S310
            text = response.read()
        return json.loads(text) if text else None


@contextmanager
def running_cloud_scheduler(
    *, port: int = 0, control_port: int = 0, key_file: Path | None = None
) -> Generator[RunningCloudScheduler, None, None]:
    """Run a scheduler without jobs and end it afterwards; port 0 takes a free one.

    Without a `key_file` the signing key lives as long as the scheduler. Raises
    `ConfigurationError` when it does not start; it has said why on standard error.
    """
    with tempfile.TemporaryDirectory(prefix="syncline-scheduler-") as folder:
        key = key_file or Path(folder) / "identity.pem"
        command = [
            *(sys.executable, "-m", "infra.local.cloud_scheduler"),
            *("--port", str(port)),
            *("--control-port", str(control_port)),
            *("--key-file", str(key.resolve())),
        ]
        with _child(command) as child:
            yield _first_line(child)


@contextmanager
def _child(command: Sequence[str]) -> Generator[subprocess.Popen[str], None, None]:
    with (
        Leash() as leash,
        subprocess.Popen(
            command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as child,
    ):
        leash.hold(child.pid, signal.SIGTERM)
        try:
            yield child
        finally:
            _end(child)
            leash.release(child.pid)


def _first_line(child: subprocess.Popen[str]) -> RunningCloudScheduler:
    line = child.stdout.readline() if child.stdout is not None else ""
    if not line:
        raise ConfigurationError("The local Cloud Scheduler did not start.")
    ports = json.loads(line)
    control_url = f"http://127.0.0.1:{ports['control_port']}"
    return RunningCloudScheduler(f"127.0.0.1:{ports['port']}", control_url, f"{control_url}/certs")


def _end(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
