"""A stable offset for each connector, so that a thousand schedules at 02:00 do not start as one."""

from datetime import timedelta
from hashlib import sha256
from uuid import UUID


def spread_offset(connector: UUID, spread: timedelta) -> timedelta:
    """Return this connector's offset in whole seconds, from 0 up to and excluding `spread`."""
    seconds = int(spread.total_seconds())
    if seconds <= 0:
        return timedelta(0)
    digest = int.from_bytes(sha256(connector.bytes).digest()[:8], "big")
    return timedelta(seconds=digest % seconds)
