"""Keep a lease alive while the connector works, and tell and act when it was lost."""

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from shared.clock import monotonic
from shared.domain.run import Reason
from shared.errors import LeaseLostError, TransientError
from shared.logs import log_event
from shared.store.attempts import extend_lease
from shared.store.engine import single_statements

_log = logging.getLogger(__name__)
_SHORTEST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Hold:
    """One worker's hold on one run."""

    run_id: int
    public_id: UUID
    fence: int
    lease: timedelta
    longest: timedelta
    """After which the lease is not extended any more, so that a worker that hangs is replaced."""


class Heartbeat:
    """Extends the lease of a hold.

    `on_lost` is called once, in the thread that beats: when a beat finds the lease gone, or when no
    task waits for the attempt any more.
    """

    def __init__(self, engine: Engine, hold: Hold, on_lost: Callable[[], None]) -> None:
        self._engine = engine
        self._hold = hold
        self._on_lost = on_lost
        self._ends = monotonic() + hold.longest.total_seconds()
        self._lost = threading.Event()
        self._stop = threading.Event()

    def require_held(self) -> None:
        """Raise `LeaseLostError` if a heartbeat found the lease gone; asks no database.

        Raises `TransientError` once no task waits for this attempt any more.
        """
        if self._lost.is_set():
            raise LeaseLostError("the run is not this worker's any more")
        if monotonic() >= self._ends:
            # The fence still holds: better a smaller slice at the next attempt than silence.
            raise TransientError(
                "The slice took longer than its task lives.", code=Reason.SLICE_TOO_LONG
            )

    def confirm(self) -> None:
        """Extend the lease now; raise `LeaseLostError` when another worker holds the run."""
        self.require_held()
        if not self._extend():
            self._lost.set()
            self.require_held()

    def beat_until_stopped(self) -> None:
        """Extend the lease every third of its length; a miss is not yet a loss."""
        often = self._hold.lease.total_seconds() / 3
        # A miss has cost some of the lease already: the next try comes soon after it.
        soon = min(often, max(often / 10, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        pause = often
        while not self._stop.wait(max(0.0, min(pause, self._ends - monotonic()))):
            is_held = self._beat() if monotonic() < self._ends else False
            if is_held is False:
                self._on_lost()
                return
            pause = often if is_held else soon

    def stop(self) -> None:
        """End `beat_until_stopped` at its next wait."""
        self._stop.set()

    def _beat(self) -> bool | None:
        """Extend the lease; return whether it is still held, or None if nobody could say."""
        try:
            is_held = self._extend()
        except (SQLAlchemyError, TimeoutError, OSError) as error:
            # The next beat may come through. If none does, the lease runs out, the fence
            # moves on, and what this worker writes is refused.
            log_event(
                _log,
                logging.WARNING,
                "heartbeat_missed",
                "A heartbeat did not reach the database",
                run_id=self._hold.public_id,
                error_class=type(error).__name__,
            )
            return None
        if not is_held:
            self._lost.set()
        return is_held

    def _extend(self) -> bool:
        hold = self._hold
        with single_statements(self._engine) as connection:
            return extend_lease(connection, hold.run_id, hold.fence, lease=hold.lease, now=None)


@contextmanager
def heartbeat(engine: Engine, hold: Hold, on_lost: Callable[[], None]) -> Generator[Heartbeat]:
    """Hold a lease for the length of the block; see `Heartbeat` for `on_lost`."""
    beating = Heartbeat(engine, hold, on_lost)
    thread = threading.Thread(target=beating.beat_until_stopped, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield beating
    finally:
        beating.stop()
        thread.join(timeout=hold.lease.total_seconds())
