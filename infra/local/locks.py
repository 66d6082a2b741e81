"""A file that one process at a time holds, and that says which one."""

import fcntl
import os
from pathlib import Path
from typing import IO

from shared.errors import ConfigurationError


def take_lock(path: Path, refusal: str) -> IO[str]:
    """Hold `path` until the returned file is closed or this process ends, however it ends.

    Raises `ConfigurationError` with `refusal`, its `{owner}` filled in, if another one holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+")
    except PermissionError as error:
        raise ConfigurationError(
            f"{path} belongs to another user: run as that user, or remove {path.parent}."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise ConfigurationError(refusal.format(owner=owner)) from error
    lock.seek(0)
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
