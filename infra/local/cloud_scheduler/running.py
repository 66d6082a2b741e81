"""A local Cloud Scheduler for the length of a `with` block, in a process of its own."""

from collections.abc import Generator
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
from infra.local.emulator.running import call_control, running_server


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
        call_control(self.control_url, "PUT", "/faults", [asdict(fault) for fault in faults])

    def clear_faults(self) -> None:
        """Turn off every fault."""
        call_control(self.control_url, "DELETE", "/faults")

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that are on, with how often they were asked for and happened."""
        return call_control(self.control_url, "GET", "/faults")["faults"]

    def advance(self, by: timedelta) -> datetime:
        """Move the scheduler's clock ahead and return what it shows then.

        What falls due by that is sent at once: a job fires once, for the first of the instants
        that were jumped over. Tokens are dated by the true clock.
        """
        answer = call_control(
            self.control_url, "POST", "/clock", {"advance_seconds": by.total_seconds()}
        )
        return datetime.fromisoformat(answer["now"])

    def stats(self) -> dict[str, int]:
        """Return jobs, outstanding, fired, forced, skipped, retried, succeeded and failed."""
        return call_control(self.control_url, "GET", "/stats")


@contextmanager
def running_cloud_scheduler(
    *, port: int = 0, control_port: int = 0, key_file: Path | None = None
) -> Generator[RunningCloudScheduler, None, None]:
    """Run a scheduler without jobs and end it afterwards; port 0 takes a free one.

    Without a `key_file` the signing key lives as long as the scheduler. Raises
    `ConfigurationError` when it does not start; it has said why on standard error.
    """
    ports = ("--port", str(port), "--control-port", str(control_port))
    with running_server("infra.local.cloud_scheduler", *ports, key_file=key_file) as addresses:
        yield RunningCloudScheduler(**asdict(addresses))
