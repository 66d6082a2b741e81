"""Certificates of servers and clients that connections meet in tests."""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime

import trustme

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
SINCE_THEN = datetime(2001, 2, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority of a test, and what it signs."""

    ca: trustme.CA = field(default_factory=trustme.CA)

    @property
    def pem(self) -> str:
        return self.ca.cert_pem.bytes().decode()

    def of_host(self, *names: str) -> trustme.LeafCert:
        return self.ca.issue_cert(*names)

    def expired(self, *names: str) -> trustme.LeafCert:
        return self.ca.issue_cert(*names, not_before=LONG_AGO, not_after=SINCE_THEN)


def certificate_of(leaf: trustme.LeafCert) -> str:
    """Return the PEM of a certificate and of what leads to its authority."""
    return "".join(blob.bytes().decode() for blob in leaf.cert_chain_pems)


def key_of(leaf: trustme.LeafCert) -> str:
    """Return the PEM of the key of a certificate."""
    return leaf.private_key_pem.bytes().decode()


def server_context(leaf: trustme.LeafCert, clients: Authority | None = None) -> ssl.SSLContext:
    """Return a server's side of TLS, which asks for a certificate if it is told whose."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    if clients is not None:
        clients.ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
