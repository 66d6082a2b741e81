"""A local Cloud KMS for the length of a `with` block, in a process of its own."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
from google.cloud.kms_v1 import KeyManagementServiceClient
from google.cloud.kms_v1.services.key_management_service.transports import (
    KeyManagementServiceGrpcTransport,
)

from infra.local.cloud_kms.faults import Fault
from infra.local.emulator.running import call_control, running_server


@dataclass(frozen=True, slots=True)
class RunningCloudKms:
    """Where a running Cloud KMS is, and its switches."""

    address: str
    """host:port of gRPC."""
    control_url: str
    certs_url: str

    @contextmanager
    def client(self) -> Generator[KeyManagementServiceClient, None, None]:
        """Yield the real client on a channel to this Cloud KMS."""
        with grpc.insecure_channel(self.address) as channel:
            transport = KeyManagementServiceGrpcTransport(channel=channel)
            yield KeyManagementServiceClient(transport=transport)

    def set_faults(self, *faults: Fault) -> None:
        """Turn on exactly these faults, with their counts at zero."""
        call_control(self.control_url, "PUT", "/faults", [asdict(fault) for fault in faults])

    def clear_faults(self) -> None:
        """Turn off every fault."""
        call_control(self.control_url, "DELETE", "/faults")

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that are on, with how often they were asked for and happened."""
        return call_control(self.control_url, "GET", "/faults")["faults"]


@contextmanager
def running_cloud_kms(
    *, port: int = 0, control_port: int = 0, key_file: Path | None = None
) -> Generator[RunningCloudKms, None, None]:
    """Run a Cloud KMS without keys and end it afterwards; port 0 takes a free one.

    Raises `ConfigurationError` when it does not start; it has said why on standard error.
    """
    ports = ("--port", str(port), "--control-port", str(control_port))
    with running_server("infra.local.cloud_kms", *ports, key_file=key_file) as addresses:
        yield RunningCloudKms(**asdict(addresses))
