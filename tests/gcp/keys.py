"""Key files with keys that nobody else has."""

import base64
import os
from pathlib import Path

from shared.gcp.local_key import LocalKey


def new_line(version: str | None = None) -> str:
    """Return a line of a key file with a new key; without a version it is a bare one."""
    encoded = base64.b64encode(os.urandom(32)).decode()
    return encoded if version is None else f"{version}:{encoded}"


def make_key(path: Path, *lines: str) -> LocalKey:
    """Write the lines, or a new bare key, into a key file and return its key."""
    path.write_text("".join(f"{line}\n" for line in lines or (new_line(),)))
    return LocalKey(str(path))
