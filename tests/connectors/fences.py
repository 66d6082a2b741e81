"""A lease as a row that both loaders of a test read, and a loader that can be frozen."""

import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess

from shared.crash_points import arm
from shared.errors import LeaseLostError, SynclineError
from tests.connectors.databases import Postgres, Shop

CONFIRMED = "confirmed"
"""A point to freeze at, beside the crash points: the lease was just confirmed."""

_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to a run of who has the newest fence, which is kept beside the datasets."""

    dataset: Postgres
    fence: int

    def confirm(self) -> None:
        if self.dataset.rows("SELECT fence FROM lease") != [(self.fence,)]:
            raise LeaseLostError("Another worker holds the run.")

    def take(self) -> None:
        self.dataset.execute(
            "CREATE TABLE IF NOT EXISTS lease (fence int)",
            "DELETE FROM lease",
            f"INSERT INTO lease VALUES ({self.fence})",
        )


@dataclass(frozen=True, slots=True)
class FrozenLoader:
    """A process in the midst of a sync that does nothing until it is thawed."""

    process: ForkProcess
    told: Connection

    def thaw(self) -> str:
        """Let it go on to its end, and return what came of its sync."""
        os.kill(self.process.pid or 0, signal.SIGCONT)
        assert self.told.poll(_SECONDS), "the loader that was thawed came to no end"
        return self.told.recv()


@contextmanager
def frozen_loader(shop: Shop, point: str, nth: int = 1) -> Generator[FrozenLoader]:
    """Sync in a process with fence 1, and yield when it stopped at the point for the nth time."""
    lease = Lease(shop.dataset, fence=1)
    lease.take()
    context = get_context("fork")
    told, telling = context.Pipe(duplex=False)
    process = context.Process(target=_sync, args=(shop, lease, _stop_at(point, nth), telling))
    process.start()
    try:
        _pid, status = os.waitpid(process.pid or 0, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "the loader ended before it came to the point"
        yield FrozenLoader(process, told)
    finally:
        process.kill()
        process.join(_SECONDS)
        told.close()
        telling.close()


def _stop_at(point: str, nth: int) -> Callable[[str], None]:
    left = nth

    def stop(reached: str) -> None:
        nonlocal left
        left -= reached == point
        if reached == point and left == 0:
            os.kill(os.getpid(), signal.SIGSTOP)

    return stop


def _sync(shop: Shop, lease: Lease, stop: Callable[[str], None], telling: Connection) -> None:
    def confirm() -> None:
        lease.confirm()
        stop(CONFIRMED)

    arm(stop)
    try:
        shop.sync(confirm)
    except SynclineError as error:
        telling.send(error.code)
    else:
        telling.send("loaded")
