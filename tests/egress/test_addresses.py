from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.egress.addresses import AddressPolicy

PUBLIC = AddressPolicy()
EVERYTHING = AddressPolicy((ip_network("0.0.0.0/0"), ip_network("::/0")))

REFUSED = [
    "0.0.0.0",  # noqa: S104 (nothing listens)
    "0.1.2.3",
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.1.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::169.254.169.254",
    "::8.8.8.8",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
METADATA = [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "2001:0:a9fe:a9fe::1",
    "fd20:ce::254",
    "fd00:ec2::254",
    "fd20:ce::254%1",
]
_RANGES = (
    "0.0.0.0/8 127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16"
    " 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24"
    " 224.0.0.0/4 240.0.0.0/4 ::/96 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/32"
    " 2001:db8::/32 2002::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8"
)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_public_is_refused(text: str) -> None:
    assert PUBLIC.refusal(ip_address(text)) is not None


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"]
)
def test_what_is_public_may_be_reached_also_in_its_mapped_form(text: str) -> None:
    address = ip_address(text)
    assert PUBLIC.refusal(address) is None
    if isinstance(address, IPv4Address):
        assert PUBLIC.refusal(IPv6Address(f"::ffff:{text}")) is None


@pytest.mark.parametrize("text", METADATA)
def test_no_deployment_can_allow_the_metadata_service(text: str) -> None:
    assert EVERYTHING.refusal(ip_address(text)) == "the metadata service of the cloud"


def test_a_deployment_allows_networks_of_its_own() -> None:
    policy = AddressPolicy((ip_network("10.1.0.0/16"), ip_network("fd12::/32")))
    assert policy.refusal(ip_address("10.1.2.3")) is None
    assert policy.refusal(ip_address("::ffff:10.1.2.3")) is None
    assert policy.refusal(ip_address("fd12::7")) is None
    assert policy.refusal(ip_address("10.2.0.1")) == "a private network"
    assert policy.refusal(ip_address("127.0.0.1")) == "this machine itself"


@given(
    st.one_of(
        st.ip_addresses(v=4),
        st.ip_addresses(v=6),
        st.ip_addresses(v=4).map(lambda address: IPv6Address(f"::ffff:{address}")),
    )
)
def test_whatever_may_be_reached_is_global_and_in_no_special_range(
    address: IPv4Address | IPv6Address,
) -> None:
    if PUBLIC.refusal(address) is not None:
        return
    plain = getattr(address, "ipv4_mapped", None) or address
    assert plain.is_global
    for network in map(ip_network, _RANGES.split()):
        assert plain.version != network.version or plain not in network
