"""Keep a lease alive while the connector works, and tell when it was lost."""

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from shared.errors import LeaseLostError
from shared.logs import log_event
from shared.store.attempts import extend_lease
from shared.store.engine import single_statements

_log = logging.getLogger(__name__)


class Heartbeat:
    """One worker's hold on one run."""

    def __init__(self, engine: Engine, run_id: int, fence: int, lease: timedelta) -> None:
        self._engine = engine
        self._run_id = run_id
        self._fence = fence
        self._lease = lease
        self._lost = threading.Event()
        self._stop = threading.Event()

    def confirm(self) -> None:
        """Extend the lease now; raise `LeaseLostError` when another worker holds the run."""
        if self._lost.is_set() or not self._extend():
            self._lost.set()
            raise LeaseLostError("another worker holds the run")

    def beat_until_stopped(self) -> None:
        """Extend the lease every third of its length; a miss is not yet a loss."""
        while not self._stop.wait(self._lease.total_seconds() / 3):
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
                    error_class=type(error).__name__,
                )

    def stop(self) -> None:
        """End `beat_until_stopped` at its next wait."""
        self._stop.set()

    def _extend(self) -> bool:
        with single_statements(self._engine) as connection:
            return extend_lease(connection, self._run_id, self._fence, lease=self._lease, now=None)


@contextmanager
def heartbeat(engine: Engine, run_id: int, fence: int, lease: timedelta) -> Generator[Heartbeat]:
    """Hold a lease for the length of the block."""
    beating = Heartbeat(engine, run_id, fence, lease)
    thread = threading.Thread(target=beating.beat_until_stopped, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield beating
    finally:
        beating.stop()
        thread.join(timeout=lease.total_seconds())
