"""Keep a lease alive while the connector works, and tell when it was lost."""

import logging
import threading
from collections.abc import Generator
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
    """Extends the lease of a hold."""

    def __init__(self, engine: Engine, hold: Hold) -> None:
        self._engine = engine
        self._hold = hold
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
        while not self._stop.wait(self._hold.lease.total_seconds() / 3):
            if monotonic() >= self._ends:
                return
            try:
                if not self._extend():
                    self._lost.set()
                    return
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

    def stop(self) -> None:
        """End `beat_until_stopped` at its next wait."""
        self._stop.set()

    def _extend(self) -> bool:
        hold = self._hold
        with single_statements(self._engine) as connection:
            return extend_lease(connection, hold.run_id, hold.fence, lease=hold.lease, now=None)


@contextmanager
def heartbeat(engine: Engine, hold: Hold) -> Generator[Heartbeat]:
    """Hold a lease for the length of the block."""
    beating = Heartbeat(engine, hold)
    thread = threading.Thread(target=beating.beat_until_stopped, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield beating
    finally:
        beating.stop()
        thread.join(timeout=hold.lease.total_seconds())
