"""Where each part of the local stack listens."""

import socket
from dataclasses import asdict, dataclass
from typing import Self

from shared.errors import ConfigurationError

HOST = "127.0.0.1"
DEFAULT_BASE = 8080
_COUNT = 9
_HIGHEST = 65_535


@dataclass(frozen=True, slots=True)
class Ports:
    """One TCP port of the loopback address for each part, in the order that users meet them."""

    api: int
    dispatcher: int
    worker: int
    oauth_callback: int
    tasks: int
    tasks_control: int
    scheduler: int
    scheduler_control: int
    postgres: int

    @classmethod
    def from_base(cls, text: str) -> Self:
        """Return the nine ports from `text` on; raise `ConfigurationError` if they cannot be."""
        if not text.isdecimal() or not 0 < int(text) <= _HIGHEST - _COUNT + 1:
            raise ConfigurationError(
                f"SYNCLINE_PORT_BASE is {text!r}: use a whole number, such as {DEFAULT_BASE}; "
                f"the {_COUNT} ports from it on are taken."
            )
        base = int(text)
        return cls(*range(base, base + _COUNT))

    @classmethod
    def free(cls) -> Self:
        """Return nine ports that nobody listens on now."""
        held = [socket.create_server((HOST, 0)) for _ in range(_COUNT)]
        try:
            return cls(*(int(one.getsockname()[1]) for one in held))
        finally:
            for one in held:
                one.close()

    def require_free(self) -> None:
        """Raise `ConfigurationError` naming the first port that is taken, and the way out."""
        for part, port in asdict(self).items():
            if not is_free(port):
                raise ConfigurationError(
                    f"Port {port}, for {part.replace('_', ' ')}, is taken: end what listens on it, "
                    f"or choose other ports, for example SYNCLINE_PORT_BASE={self.api + 1000}."
                )


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens on now."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether a server could listen on this TCP port of the loopback address."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True
