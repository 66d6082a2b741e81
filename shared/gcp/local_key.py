"""The wrapping key of a deployment without Cloud KMS: a file with its versions, newest first."""

import base64
import re
from pathlib import Path

from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from shared.errors import ConfigurationError, PermanentError
from shared.gcp.sealing import WrappedKey

_KEY_BYTES = 32
_VERSION = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_ONLY_VERSION = "local-1"
"""What a key is called that stands in its line alone."""


class LocalKey:
    """The keys of a file: each line is `version:base64`, or base64 alone for the version local-1.

    The first line wraps; every line unwraps what its version wrapped.
    """

    def __init__(self, path: str) -> None:
        """Read the file; raise `ConfigurationError` that names the line if it is not such a one."""
        try:
            text = Path(path).read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise _unusable(f"{path} cannot be read ({type(error).__name__})") from error
        self._keys: dict[str, bytes] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                self._add(line.strip(), f"line {number} of {path}")
        if not self._keys:
            raise _unusable(f"{path} holds no key")

    def newest_version(self) -> str:
        """Return the version of the first line."""
        return next(iter(self._keys))

    def wrap(self, data_key: bytes, _context: bytes, /) -> WrappedKey:
        """Return the data key, wrapped by the newest version; for whom it is, is not bound."""
        version = self.newest_version()
        return WrappedKey(aes_key_wrap(self._keys[version], data_key), version)

    def unwrap(self, wrapped: WrappedKey, _context: bytes, /) -> bytes:
        """Return the data key; raise `PermanentError` if no key of the file wrapped it."""
        key = self._keys.get(wrapped.version)
        if key is None:
            raise PermanentError(
                f"The secrets are sealed with key {wrapped.version}, which this deployment does not"
                " have. Put it back into the key file, or enter the secrets again."
            )
        try:
            return aes_key_unwrap(key, wrapped.wrapped)
        except InvalidUnwrap as error:
            raise PermanentError(
                f"The secrets do not open with this deployment's key {wrapped.version}: they are"
                " damaged, or were sealed with another key of that name. Put that one into the key"
                " file, or enter the secrets again."
            ) from error

    def close(self) -> None:
        """Do nothing: the file was read and closed."""

    def _add(self, line: str, place: str) -> None:
        version, separator, encoded = line.rpartition(":")
        if not separator:
            version = _ONLY_VERSION
        if not _VERSION.fullmatch(version):
            raise _unusable(
                f"{place} names no version: use up to 63 of a-z, 0-9, '.', '_' and '-' before ':'"
            )
        if version in self._keys:
            raise _unusable(f"{place} names version {version}, which stands above it already")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            # Of the line itself nothing is told: it may be a key in another form.
            raise _unusable(f"{place} is not base64") from error
        if len(key) != _KEY_BYTES:
            raise _unusable(f"{place} holds {len(key)} bytes, not {_KEY_BYTES}")
        self._keys[version] = key


def _unusable(what: str) -> ConfigurationError:
    return ConfigurationError(f"SYNCLINE_KEY_FILE: {what}.")
