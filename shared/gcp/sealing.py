"""Seal a connector's secrets: AES-256-GCM under a data key of its own, itself wrapped by a key.

The associated data names workspace, connector and key version, so that a ciphertext that was
copied into another row does not open.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import PermanentError

_KEY_BITS = 256
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored, and the version of the deployment's key that wrapped it."""

    wrapped: bytes
    version: str


class WrappingKey(Protocol):
    """The key of a deployment, of which there may be several versions.

    `context` says for whom a data key is; a key that can bind it refuses to unwrap for others. Any
    call raises `TransientError` if the key cannot be reached, and `PermanentError`, which says what
    to do, if it cannot be used.
    """

    def newest_version(self) -> str:
        """Return the version that `wrap` uses."""
        ...

    def wrap(self, data_key: bytes, context: bytes, /) -> WrappedKey:
        """Return the data key, wrapped by the newest version."""
        ...

    def unwrap(self, wrapped: WrappedKey, context: bytes, /) -> bytes:
        """Return the data key; raise `PermanentError` if this key did not wrap it."""
        ...

    def close(self) -> None:
        """End what the key is connected to."""
        ...


@dataclass(frozen=True, slots=True)
class SealedSecrets:
    """Secrets as they are stored: nothing here opens without the wrapping key."""

    ciphertext: bytes
    nonce: bytes
    wrapped_key: bytes
    key_version: str


@dataclass(frozen=True, slots=True)
class Sealer:
    """A data key of one connector that is wrapped already: to seal with it takes no service."""

    data_key: bytes = field(repr=False)
    wrapped: WrappedKey
    workspace_id: int
    connector: UUID

    def seal(self, secrets: Mapping[str, str]) -> SealedSecrets:
        """Encrypt secrets under a nonce of their own."""
        nonce = os.urandom(_NONCE_BYTES)
        associated = _associated(self.workspace_id, self.connector, self.wrapped.version)
        plain = json.dumps(dict(secrets)).encode()
        ciphertext = AESGCM(self.data_key).encrypt(nonce, plain, associated)
        return SealedSecrets(ciphertext, nonce, self.wrapped.wrapped, self.wrapped.version)


def make_sealer(key: WrappingKey, workspace_id: int, connector: UUID) -> Sealer:
    """Return what seals for one connector; raise what `WrappingKey` raises."""
    data_key = AESGCM.generate_key(bit_length=_KEY_BITS)
    wrapped = key.wrap(data_key, _context(workspace_id, connector))
    return Sealer(data_key, wrapped, workspace_id, connector)


def seal(
    key: WrappingKey, secrets: Mapping[str, str], workspace_id: int, connector: UUID
) -> SealedSecrets:
    """Encrypt secrets for one connector; raise what `WrappingKey` raises."""
    return make_sealer(key, workspace_id, connector).seal(secrets)


def unseal(
    key: WrappingKey, sealed: SealedSecrets, workspace_id: int, connector: UUID
) -> dict[str, str]:
    """Decrypt a connector's secrets.

    Raises `PermanentError` when they are not this connector's or are not what was sealed, and what
    `WrappingKey` raises.
    """
    wrapped = WrappedKey(sealed.wrapped_key, sealed.key_version)
    data_key = key.unwrap(wrapped, _context(workspace_id, connector))
    associated = _associated(workspace_id, connector, sealed.key_version)
    try:
        plain = AESGCM(data_key).decrypt(sealed.nonce, sealed.ciphertext, associated)
    except (InvalidTag, ValueError) as error:
        raise PermanentError(
            "The stored secrets are damaged, or were sealed for another connector."
            " Enter them again."
        ) from error
    return _secrets_of(plain)


def _secrets_of(plain: bytes) -> dict[str, str]:
    try:
        secrets = json.loads(plain)
    except (ValueError, RecursionError):
        secrets = None
    if not isinstance(secrets, dict) or not all(isinstance(one, str) for one in secrets.values()):
        raise PermanentError(
            "The stored secrets open, and hold something else than secrets. Enter them again."
        )
    return secrets


def _context(workspace_id: int, connector: UUID) -> bytes:
    return f"v1|{workspace_id}|{connector}".encode()


def _associated(workspace_id: int, connector: UUID, key_version: str) -> bytes:
    return f"v1|{workspace_id}|{connector}|{key_version}".encode()
