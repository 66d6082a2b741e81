"""The local stand-in for Google's identity tokens: one RSA key, its certificate, its signatures."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

from shared.errors import ConfigurationError

ISSUER = "https://accounts.google.com"
LIFETIME = timedelta(hours=1)
_RENEW_BEFORE = timedelta(minutes=5)
_MAX_CACHED = 1_024
# Verifiers of tokens read only the public key of the certificate, never its dates.
_CERTIFICATE_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_CERTIFICATE_UNTIL = datetime(2049, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Issued:
    token: str
    issued_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        return self.issued_at <= now < self.issued_at + LIFETIME - _RENEW_BEFORE


class LocalSigner:
    """Signs OIDC tokens as Google does, with a key of this machine."""

    def __init__(self, private_key_pem: str, certificate_pem: str) -> None:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        self._key_id = certificate.fingerprint(hashes.SHA256()).hex()[:40]
        self._certificate_pem = certificate_pem
        self._signer = crypt.RSASigner.from_string(private_key_pem, self._key_id)
        self._issued: dict[tuple[str, str], _Issued] = {}

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """Read the key and certificate from `path`, or create them there with mode 0600.

        Processes that start together end with the same key. Raises `ConfigurationError` when
        the file holds anything else than a private key and a certificate in PEM form.
        """
        if not path.exists():
            _create(path)
        private_key_pem, marker, rest = path.read_text().partition("-----BEGIN CERTIFICATE-----")
        try:
            return cls(private_key_pem, marker + rest)
        except ValueError as error:
            raise ConfigurationError(
                f"{path} does not hold a private key and its certificate: delete it to get new ones"
            ) from error

    def token(self, service_account_email: str, audience: str, now: datetime) -> str:
        """Return an RS256 token for the audience, valid for an hour or the rest of one.

        A token is used again until five minutes before its end.
        """
        key = (service_account_email, audience)
        issued = self._issued.get(key)
        if issued is None or not issued.is_fresh(now):
            if len(self._issued) >= _MAX_CACHED:
                self._issued.clear()
            issued = _Issued(self._sign(service_account_email, audience, now), now)
            self._issued[key] = issued
        return issued.token

    def certs(self) -> dict[str, str]:
        """Return {key id: PEM certificate}, the form of Google's `oauth2/v1/certs`."""
        return {self._key_id: self._certificate_pem}

    def _sign(self, email: str, audience: str, now: datetime) -> str:
        issued_at = int(now.timestamp())
        claims: Mapping[str, str | int | bool] = {
            "iss": ISSUER,
            "sub": _subject(email),
            "email": email,
            "email_verified": True,
            "aud": audience,
            "azp": _subject(email),
            "iat": issued_at,
            "exp": issued_at + int(LIFETIME.total_seconds()),
        }
        return jwt.encode(self._signer, claims).decode()


def _subject(email: str) -> str:
    """Return the 21-digit number that stands for an account, always the same for one email."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(email.encode())
    return str(int.from_bytes(digest.finalize()[:8], "big") % 10**20 + 10**20)


def _create(path: Path) -> None:
    """Write a new key beside `path` and link it into place: the first process wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_new_pem())
        path.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _new_pem() -> bytes:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local identity tokens")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_CERTIFICATE_FROM)
        .not_valid_after(_CERTIFICATE_UNTIL)
        .sign(key, hashes.SHA256())
    )
    private_key = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private_key + certificate.public_bytes(serialization.Encoding.PEM)
