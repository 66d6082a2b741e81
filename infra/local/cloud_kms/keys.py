"""All keys by name, with their versions, and what they encrypt and decrypt. No clock, no I/O."""

import os
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from grpc import StatusCode

from infra.local.cloud_kms.messages import DISABLED, ENABLED, state_name
from infra.local.cloud_kms.names import (
    check_id,
    check_key,
    check_ring,
    key_and_number,
    version_name,
    version_of,
)
from infra.local.emulator.errors import ApiError, invalid
from infra.local.emulator.names import check_location

MAX_BYTES = 65_536
"""How long a plaintext and additional authenticated data may be."""

_NUMBER_BYTES = 4
_NONCE_BYTES = 12


@dataclass(slots=True)
class Version:
    """One version of a key."""

    number: int
    created_at: datetime
    secret: bytes = field(default_factory=lambda: AESGCM.generate_key(256), repr=False)
    state: int = ENABLED


@dataclass(slots=True)
class Key:
    """A symmetric key; its versions are numbered from 1."""

    name: str
    created_at: datetime
    versions: list[Version] = field(default_factory=list[Version])
    primary: int | None = None


class KeyStore:
    """The keys. Every method refuses with `ApiError` what the service would refuse."""

    def __init__(self) -> None:
        self._rings: set[str] = set()
        self._keys: dict[str, Key] = {}

    def create_ring(self, parent: str, ring_id: str) -> str:
        """Add a key ring to a location and return its name."""
        check_location(parent)
        check_id("key_ring_id", ring_id)
        name = f"{parent}/keyRings/{ring_id}"
        if name in self._rings:
            raise ApiError(StatusCode.ALREADY_EXISTS, f"KeyRing {name} already exists.")
        self._rings.add(name)
        return name

    def create_key(self, parent: str, key_id: str, now: datetime, *, is_bare: bool) -> Key:
        """Add a key to a ring, with a first version that is its primary unless it `is_bare`."""
        check_ring(parent)
        check_id("crypto_key_id", key_id)
        if parent not in self._rings:
            raise ApiError(StatusCode.NOT_FOUND, f"KeyRing {parent} not found.")
        name = f"{parent}/cryptoKeys/{key_id}"
        if name in self._keys:
            raise ApiError(StatusCode.ALREADY_EXISTS, f"CryptoKey {name} already exists.")
        key = self._keys[name] = Key(name, now)
        if not is_bare:
            key.primary = self.create_version(name, now).number
        return key

    def key(self, name: str) -> Key:
        """Return a key."""
        check_key(name)
        key = self._keys.get(name)
        if key is None:
            raise ApiError(StatusCode.NOT_FOUND, f"CryptoKey {name} not found.")
        return key

    def create_version(self, parent: str, now: datetime) -> Version:
        """Add a version to a key, which leaves its primary version alone."""
        versions = self.key(parent).versions
        versions.append(Version(len(versions) + 1, now))
        return versions[-1]

    def version(self, name: str) -> Version:
        """Return a version of a key."""
        key, number = version_of(name)
        return _version(self.key(key), number)

    def set_state(self, name: str, state: int) -> Version:
        """Enable or disable a version."""
        if state not in (ENABLED, DISABLED):
            raise invalid("The state of a CryptoKeyVersion can be set to ENABLED or DISABLED.")
        version = self.version(name)
        version.state = state
        return version

    def set_primary(self, name: str, version_id: str) -> Key:
        """Let a version of a key be the one that encrypts from now on."""
        key = self.key(name)
        key.primary = self.version(f"{name}/cryptoKeyVersions/{version_id}").number
        return key

    def encrypt(self, name: str, plaintext: bytes, associated: bytes) -> tuple[str, bytes]:
        """Encrypt with the primary version of a key, or with a version; return which, and how."""
        if len(plaintext) > MAX_BYTES or len(associated) > MAX_BYTES:
            raise invalid(f"The plaintext or additional data is longer than {MAX_BYTES} bytes.")
        key_name, number = key_and_number(name)
        key = self.key(key_name)
        number = number or key.primary
        if number is None:
            raise ApiError(StatusCode.FAILED_PRECONDITION, f"{name} has no primary version.")
        version = _enabled(key, number)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(version.secret).encrypt(nonce, plaintext, associated)
        return version_name(key.name, number), number.to_bytes(_NUMBER_BYTES) + nonce + sealed

    def decrypt(self, name: str, ciphertext: bytes, associated: bytes) -> tuple[bytes, bool]:
        """Decrypt what a version of the key encrypted; return it, and if that is the primary."""
        key = self.key(name)
        number = int.from_bytes(ciphertext[:_NUMBER_BYTES])
        nonce = ciphertext[_NUMBER_BYTES : _NUMBER_BYTES + _NONCE_BYTES]
        if not 1 <= number <= len(key.versions):
            raise _not_decrypted()
        version = _enabled(key, number)
        sealed = ciphertext[_NUMBER_BYTES + _NONCE_BYTES :]
        try:
            plaintext = AESGCM(version.secret).decrypt(nonce, sealed, associated)
        except (InvalidTag, ValueError):
            raise _not_decrypted() from None
        return plaintext, number == key.primary


def _version(key: Key, number: int) -> Version:
    if number > len(key.versions):
        name = version_name(key.name, number)
        raise ApiError(StatusCode.NOT_FOUND, f"CryptoKeyVersion {name} not found.")
    return key.versions[number - 1]


def _enabled(key: Key, number: int) -> Version:
    version = _version(key, number)
    if version.state != ENABLED:
        raise ApiError(
            StatusCode.FAILED_PRECONDITION,
            f"{version_name(key.name, number)} is not enabled,"
            f" current state is: {state_name(version.state)}.",
        )
    return version


def _not_decrypted() -> ApiError:
    return invalid("Decryption failed: verify that 'name' refers to the correct CryptoKey.")
