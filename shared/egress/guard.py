"""The guard: no connection to a host that a tenant named goes anywhere that was not checked."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address

from shared.clock import monotonic
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.egress.addresses import Address, AddressPolicy
from shared.egress.lines import CONNECT, Lines
from shared.egress.names import DEADLINE, resolve
from shared.errors import PermanentError, TransientError

_LARGEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Guard:
    """Finds the addresses of a host and refuses those that its policy does not allow."""

    policy: AddressPolicy = field(default_factory=AddressPolicy)

    def addresses_of(self, host: str, lines: Lines | None = None) -> Sequence[Address]:
        """Return the addresses of a host, resolved once and all allowed, while `lines` have time.

        Connect to these and to nothing else: the name may have others the next time. Raises
        `PermanentError` if one of them may not be reached, and as `resolve` does.
        """
        found = resolve(host, DEADLINE if lines is None else lines.left(DEADLINE))
        for address in found:
            refusal = self.policy.refusal(address)
            if refusal is not None:
                raise PermanentError(
                    f"{host} leads to {refusal}, which connectors may not reach. Use a public"
                    " address, or ask who runs this deployment to allow the network.",
                    code=Reason.CONFIGURATION,
                    fault=Fault.ADDRESS_NOT_ALLOWED,
                )
        return found

    def connect(
        self, host: str, port: int, timeout: timedelta = CONNECT, lines: Lines | None = None
    ) -> socket.socket:
        """Return a connection to the first address of a host that takes one.

        `timeout` is for all of its addresses together, and as long as `lines` have time. Raises
        `TransientError` if none does, and as `addresses_of`.
        """
        if not 0 < port <= _LARGEST_PORT:
            raise PermanentError(
                f"{port} is no port: use 1 to 65535.",
                code=Reason.CONFIGURATION,
                fault=Fault.SETTINGS,
            )
        addresses = self.addresses_of(host, lines)
        patience = timeout if lines is None else lines.left(timeout)
        until = monotonic() + patience.total_seconds()
        error: OSError | None = None
        for address in addresses:
            left = until - monotonic()
            if left <= 0:
                break
            try:
                return _connected(address, port, left)
            except OSError as failed:
                error = failed
        is_late = error is None or isinstance(error, TimeoutError)
        what = (
            "did not answer in time: see whether it is well and its firewall lets us in"
            if is_late
            else "cannot be reached: see whether it runs and its firewall lets us in"
        )
        raise TransientError(
            f"{host}:{port} {what}.",
            code=Reason.SOURCE_UNAVAILABLE,
            fault=Fault.TIMEOUT if is_late else Fault.REFUSED,
        ) from error


def _connected(address: Address, port: int, seconds: float) -> socket.socket:
    """Connect to an address as it is: nothing is looked up any more."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(seconds)
        opened.connect((str(address), port))
    except BaseException:
        opened.close()
        raise
    return opened
