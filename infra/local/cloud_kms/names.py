"""The names of key rings, keys and versions, and who is within whom."""

import re

from infra.local.emulator.errors import invalid
from infra.local.emulator.names import LOCATION

_ID = r"[A-Za-z0-9_-]{1,63}"
_ID_FORM = re.compile(_ID)
_RING = re.compile(rf"{LOCATION}/keyRings/{_ID}")
_KEY = re.compile(rf"({_RING.pattern}/cryptoKeys/{_ID})")
_VERSION = re.compile(rf"{_KEY.pattern}/cryptoKeyVersions/([1-9][0-9]{{0,8}})")


def check_id(field: str, text: str) -> None:
    """Refuse what cannot be the last part of a name."""
    if _ID_FORM.fullmatch(text) is None:
        raise invalid(f"{field} must match the regular expression {_ID}.")


def check_ring(name: str) -> None:
    """Refuse what is not the name of a key ring."""
    if _RING.fullmatch(name) is None:
        raise invalid(f'"{name}" is not the resource name of a KeyRing.')


def check_key(name: str) -> None:
    """Refuse what is not the name of a key."""
    if _KEY.fullmatch(name) is None:
        raise invalid(f'"{name}" is not the resource name of a CryptoKey.')


def version_of(name: str) -> tuple[str, int]:
    """Return the key and the number that the name of a version says."""
    found = _VERSION.fullmatch(name)
    if found is None:
        raise invalid(f'"{name}" is not the resource name of a CryptoKeyVersion.')
    return found[1], int(found[2])


def version_name(key: str, number: int) -> str:
    """Return the name of a key's version."""
    return f"{key}/cryptoKeyVersions/{number}"


def key_and_number(name: str) -> tuple[str, int | None]:
    """Return the key that a name means, and the number if it is the name of a version."""
    if "/cryptoKeyVersions/" in name:
        return version_of(name)
    check_key(name)
    return name, None
