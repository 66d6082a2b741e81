"""Seal a connector's secrets: AES-256-GCM under a data key of its own, itself wrapped by a key.

The associated data names workspace, connector and key version, so that a ciphertext that was
copied into another row does not open.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from shared.errors import ConfigurationError, PermanentError

_KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class SealedSecrets:
    """Secrets as they are stored: nothing here opens without the wrapping key."""

    ciphertext: bytes
    nonce: bytes
    wrapped_key: bytes
    key_version: str


class LocalKey:
    """A wrapping key from a file with 32 bytes in base64, for a laptop."""

    version = "local-1"

    def __init__(self, path: str) -> None:
        try:
            key = base64.b64decode(Path(path).read_text(encoding="ascii").strip(), validate=True)
        except (OSError, ValueError, binascii.Error) as error:
            raise ConfigurationError(
                f"SYNCLINE_KEY_FILE: {path} cannot be read as base64 ({type(error).__name__})."
            ) from error
        if len(key) != _KEY_BYTES:
            raise ConfigurationError(
                f"SYNCLINE_KEY_FILE: {path} holds {len(key)} bytes, not {_KEY_BYTES}."
            )
        self._key = key

    def wrap(self, data_key: bytes) -> bytes:
        """Return the data key, wrapped."""
        return aes_key_wrap(self._key, data_key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return the data key; raise `InvalidUnwrap` when it was wrapped by another key."""
        return aes_key_unwrap(self._key, wrapped)


def seal(
    key: LocalKey, secrets: Mapping[str, str], workspace_id: int, connector: UUID
) -> SealedSecrets:
    """Encrypt secrets for one connector."""
    data_key = AESGCM.generate_key(bit_length=_KEY_BYTES * 8)
    nonce = os.urandom(_NONCE_BYTES)
    associated = _associated(workspace_id, connector, key.version)
    ciphertext = AESGCM(data_key).encrypt(nonce, json.dumps(dict(secrets)).encode(), associated)
    return SealedSecrets(ciphertext, nonce, key.wrap(data_key), key.version)


def unseal(
    key: LocalKey, sealed: SealedSecrets, workspace_id: int, connector: UUID
) -> dict[str, str]:
    """Decrypt a connector's secrets; raise `PermanentError` when they are not this connector's."""
    if sealed.key_version != key.version:
        raise PermanentError(
            f"The secrets are sealed with key {sealed.key_version}, this deployment has"
            f" {key.version}. Enter them again.",
            code="configuration",
        )
    associated = _associated(workspace_id, connector, key.version)
    try:
        data_key = key.unwrap(sealed.wrapped_key)
        plain = AESGCM(data_key).decrypt(sealed.nonce, sealed.ciphertext, associated)
    except (InvalidTag, InvalidUnwrap, ValueError) as error:
        raise PermanentError(
            "The stored secrets do not open with this deployment's key. Enter them again.",
            code="configuration",
        ) from error
    return json.loads(plain)


def _associated(workspace_id: int, connector: UUID, key_version: str) -> bytes:
    return f"v1|{workspace_id}|{connector}|{key_version}".encode()
