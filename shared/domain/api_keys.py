"""API keys: a prefix that may be shown and 256 random bits of which only the hash is kept."""

import hashlib
import re
from dataclasses import dataclass

_FORM = re.compile(r"syn_([0-9a-f]{12})_([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in its parts; `text` is shown to a person once."""

    prefix: str
    secret: str

    @property
    def text(self) -> str:
        """Return the key as its holder sends it."""
        return f"syn_{self.prefix}_{self.secret}"

    @property
    def secret_hash(self) -> bytes:
        """Return what is stored: random bits need no salt and no stretching."""
        return hashlib.sha256(self.secret.encode()).digest()


def parse_api_key(text: str) -> ApiKey | None:
    """Return the key in a text, or None when it is not one."""
    found = _FORM.fullmatch(text)
    return ApiKey(found[1], found[2]) if found else None
