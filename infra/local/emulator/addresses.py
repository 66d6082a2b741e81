"""Where a server listens: the first line that it prints, and that who started it reads."""

import json
from dataclasses import asdict, dataclass
from typing import Self

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The places of one server, all on loopback."""

    address: str
    """host:port of gRPC."""
    control_url: str
    certs_url: str

    @classmethod
    def of_ports(cls, port: int, control_port: int) -> Self:
        """Return the addresses of a gRPC port and a control port."""
        control_url = f"http://{HOST}:{control_port}"
        return cls(f"{HOST}:{port}", control_url, f"{control_url}/certs")

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Return the addresses that a server printed."""
        return cls(**json.loads(line))

    def line(self) -> str:
        """Return the JSON object that a server prints."""
        return json.dumps(asdict(self))


def print_addresses(addresses: Addresses) -> None:
    """Print the line that `Addresses.from_line` reads."""
    print(addresses.line(), flush=True)
