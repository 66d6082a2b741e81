"""No request leaves unencrypted for a public network."""

from ipaddress import IPv4Address, IPv6Address

from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.egress.addresses import Network
from shared.egress.guard import Guard
from shared.egress.lines import Lines
from shared.egress.origins import origin_of
from shared.errors import PermanentError


def require_encryption(guard: Guard, url: str, lines: Lines | None = None) -> None:
    """Raise `PermanentError` for http:// to any network but those that the deployment allows.

    Raises as `Guard.addresses_of` too.
    """
    scheme, host, _ = origin_of(url)
    if scheme == "https":
        return
    allowed = guard.policy.allowed
    for address in guard.addresses_of(host, lines):
        if not any(_is_in(address, network) for network in allowed):
            raise PermanentError(
                f"{host} would be asked without encryption, over public networks: use https://.",
                code=Reason.CONFIGURATION,
                fault=Fault.TLS,
            )


def _is_in(address: IPv4Address | IPv6Address, network: Network) -> bool:
    return address.version == network.version and address in network
