"""How the connection to a source is encrypted, and the certificates that people give for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from shared.egress.addresses import Address, AddressPolicy
from shared.late_imports import importing

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_PRIVATE_KEY = "PRIVATE KEY-----"
_PUBLIC = AddressPolicy()


class TlsMode(StrEnum):
    """What is asked of a connection, in the words of PostgreSQL."""

    DISABLE = "disable"
    """No encryption."""
    REQUIRE = "require"
    """Encryption, by whatever certificate: it keeps listeners out, and no one in the middle."""
    VERIFY_CA = "verify-ca"
    """A certificate that the given authority signed, for whatever host."""
    VERIFY_FULL = "verify-full"
    """A certificate for this host, by an authority that is trusted."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What a connector says about encryption; certificates and key are PEM."""

    mode: TlsMode | None = None
    authority: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)

    def mode_for(self, addresses: Sequence[Address]) -> TlsMode | None:
        """Return what is asked of a connection to one of these addresses.

        What nobody decided is `verify-full` towards a public address. None stands for what drivers
        do by themselves, encryption if the server offers it, or at least whatever the certificate:
        so it is in the private networks of a deployment, whose servers often have no good one.
        """
        if self.mode is not None:
            return self.mode
        is_public = any(_PUBLIC.refusal(address) is None for address in addresses)
        return TlsMode.VERIFY_FULL if is_public or self.authority or self.certificate else None

    def sent_on_from(self, address: Address) -> "Tls":
        """Return what to ask of the servers to which the one at this address sends a connection.

        No less than of that one.
        """
        mode = self.mode_for([address])
        return self if mode is None else replace(self, mode=mode)


def check_certificates(text: str) -> str:
    """Return one certificate or more in PEM as they are; raise `ValueError` if they are not."""
    if _PRIVATE_KEY in text:
        raise ValueError("it holds a private key, which belongs into tls_key alone")
    _certificates(text)
    return text


def check_pair(certificate: str, key: str) -> None:
    """Raise `ValueError` if the key is none, or not that of the first certificate."""
    # Slow to import, and few connectors have one.
    with importing():
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        private = load_pem_private_key(key.encode(), password=None)
    except TypeError:
        raise ValueError("tls_key is locked with a passphrase: give the key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(
            f"tls_key is no private key in PEM, which begins with -----BEGIN {_PRIVATE_KEY}"
        ) from None
    if private.public_key() != _certificates(certificate)[0].public_key():
        raise ValueError("tls_key is not the key of the first certificate in tls_certificate")


def _certificates(text: str) -> "Sequence[Certificate]":
    with importing():
        from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 (as above)

    try:
        return load_pem_x509_certificates(text.encode())
    except ValueError:
        raise ValueError(f"it is no certificate in PEM, which begins with {_CERTIFICATE}") from None
