"""What a test waits for before it begins or ends: the next hour, and heartbeats."""

import threading
from datetime import UTC, datetime, timedelta
from time import sleep

from tests.faults.world import CADENCE


def outlast_the_hour(longest: timedelta) -> None:
    """See to it that no period of a world falls due in so long a time."""
    now = datetime.now(UTC)
    left = now.replace(minute=0, second=0, microsecond=0) + CADENCE - now
    if left < longest:
        sleep(left.total_seconds())


def outlast_heartbeats() -> None:
    """Wait for the heartbeats of this process, before what they beat on is closed.

    An attempt does not wait for ever for its own, and a pool that is closed leaves it what it has.
    """
    for thread in threading.enumerate():
        if thread.name == "heartbeat":
            thread.join()
