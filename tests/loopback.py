"""The way out of a deployment that allows loopback, where the sources of tests are."""

from ipaddress import IPv4Network

from shared.egress.addresses import AddressPolicy
from shared.egress.guard import Guard

LOOPBACK = Guard(AddressPolicy((IPv4Network("127.0.0.0/8"),)))
