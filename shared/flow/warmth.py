"""A worker's warmth: whether this instance is cold, its signs of life, and what a sync imports."""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from shared.clock import monotonic
from shared.connectors.registry import connector_type, slugs
from shared.logs import class_and_place, log_event
from shared.store.engine import single_statements
from shared.store.workers import note_worker_seen

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

_log = logging.getLogger(__name__)
_SIGN_OF_LIFE_SECONDS = 60.0


class Instance:
    """The process of a worker: whether it is cold, and its signs of life."""

    def __init__(self) -> None:
        self._id = uuid4()
        self._is_cold = True
        self._noted: float | None = None
        self._lock = threading.Lock()

    def begin_request(self) -> bool:
        """Tell whether this request is the first of the instance."""
        with self._lock:
            was_cold, self._is_cold = self._is_cold, False
        return was_cold

    def note_alive(self, engine: Engine) -> None:
        """Give a sign of life, at most once a minute; trouble with it is logged and no more.

        It tells ticks that nobody need be woken, and is never worth a request. Two requests at the
        same moment may both give one, which writes the same row.
        """
        now = monotonic()
        if self._noted is not None and now - self._noted < _SIGN_OF_LIFE_SECONDS:
            return
        try:
            with single_statements(engine) as connection:
                note_worker_seen(connection, self._id)
        except SQLAlchemyError as error:
            log_event(
                _log,
                logging.WARNING,
                "sign_of_life_missed",
                "A worker's sign of life did not reach the database",
                error_class=class_and_place(error),
            )
        else:
            self._noted = now


def warm_up(engine: Engine, open_queue: "Callable[[], CloudTasksQueue]") -> bool:
    """Load what a sync needs: every connector type's source, the database, Cloud Tasks.

    Returns whether all of it is there. What is not is logged: the run that needs it will say so
    again, and a repeat of the warm-up would only take the queue's time.
    """
    started = monotonic()
    try:
        for slug in slugs():
            connector_type(slug).warm_up()
        open_queue()
        with single_statements(engine) as connection:
            connection.exec_driver_sql("SELECT 1")
    except Exception as error:  # noqa: BLE001 (an edge: anything may be missing)
        log_event(
            _log,
            logging.ERROR,
            "worker_not_warm",
            "Something that a sync needs could not be loaded",
            error_class=class_and_place(error),
        )
        return False
    log_event(
        _log,
        logging.INFO,
        "worker_warm",
        "The worker is warm",
        duration_ms=int((monotonic() - started) * 1_000),
    )
    return True
