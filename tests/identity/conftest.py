from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from shared.egress.addresses import AddressPolicy
from shared.egress.guard import Guard
from tests.issuer import Issuer, running_issuer


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def guard() -> Guard:
    """Return a guard that lets to this machine."""
    return Guard(AddressPolicy((ip_network("127.0.0.0/8"),)))
