"""Which addresses may be reached: public ones, and the networks that a deployment allows.

Python's own `is_private` and `is_global` are wrong for some ranges in the versions that we run on,
so that the ranges are listed here, from the special-purpose registries of IANA.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_METADATA = frozenset(
    ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "fd20:ce::254", "fd00:ec2::254")
)
"""Where clouds hand out the identity of a machine. No deployment can allow these."""

_THIS_MACHINE = "this machine itself"
_PRIVATE = "a private network"
_NOT_PUBLIC = "no public network"
_REFUSED_V4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", _THIS_MACHINE),
        ("127.0.0.0/8", _THIS_MACHINE),
        ("10.0.0.0/8", _PRIVATE),
        ("172.16.0.0/12", _PRIVATE),
        ("192.168.0.0/16", _PRIVATE),
        ("100.64.0.0/10", _PRIVATE),  # shared by customers of a carrier
        ("169.254.0.0/16", _NOT_PUBLIC),  # link-local
        ("192.0.0.0/24", _NOT_PUBLIC),  # protocols
        ("192.0.2.0/24", _NOT_PUBLIC),  # documentation
        ("192.88.99.0/24", _NOT_PUBLIC),  # relays of 6to4
        ("198.18.0.0/15", _NOT_PUBLIC),  # benchmarks
        ("198.51.100.0/24", _NOT_PUBLIC),  # documentation
        ("203.0.113.0/24", _NOT_PUBLIC),  # documentation
        ("224.0.0.0/4", _NOT_PUBLIC),  # multicast
        ("240.0.0.0/4", _NOT_PUBLIC),  # reserved, and broadcast
    )
)
_PUBLIC_V6 = IPv6Network("2000::/3")
"""All of IPv6 that is handed out; loopback, local and translated addresses lie outside."""
_REFUSED_V6: tuple[IPv6Network, ...] = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocols, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_LOCAL_V6: tuple[tuple[IPv6Network, str], ...] = (
    (IPv6Network("::/127"), _THIS_MACHINE),
    (IPv6Network("fc00::/7"), _PRIVATE),
    (IPv6Network("fec0::/10"), _PRIVATE),
)
_CARRIES_V4_LAST = (
    IPv6Network("::/96"),
    IPv6Network("64:ff9b::/96"),
    IPv6Network("64:ff9b:1::/48"),
)
"""IPv4-compatible addresses and those of NAT64: the last 32 bits are an IPv4 address."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Which addresses may be reached; `allowed` are networks besides the public ones."""

    allowed: tuple[Network, ...] = ()

    def refusal(self, address: Address) -> str | None:
        """Return what an address is that may not be reached, or None for one that may."""
        plain = _plain(address)
        if any(one in _METADATA for one in (plain, *_carried(plain))):
            return "the metadata service of the cloud"
        if any(plain.version == network.version and plain in network for network in self.allowed):
            return None
        return _refusal_v4(plain) if isinstance(plain, IPv4Address) else _refusal_v6(plain)


def _plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one maps; the system connects to it as such."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.scope_id is not None:
            return IPv6Address(int(address))
    return address


def _carried(address: Address) -> Sequence[IPv4Address]:
    """Return the IPv4 addresses that a gateway may make of an IPv6 one."""
    if isinstance(address, IPv4Address):
        return ()
    carried = [address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _CARRIES_V4_LAST):
        carried.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in carried if one is not None]


def _refusal_v4(address: IPv4Address) -> str | None:
    return next((kind for network, kind in _REFUSED_V4 if address in network), None)


def _refusal_v6(address: IPv6Address) -> str | None:
    if address in _PUBLIC_V6 and not any(address in network for network in _REFUSED_V6):
        return None
    return next((kind for network, kind in _LOCAL_V6 if address in network), _NOT_PUBLIC)
