"""Record what an attempt came to, through a database that is away for a moment."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from threading import Event

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from shared.clock import monotonic
from shared.domain.outcome import Outcome, failed
from shared.flow.heartbeat import Hold
from shared.logs import class_and_place, log_event
from shared.store.attempts import Recorded, record_outcome
from shared.store.engine import single_statements
from shared.store.violations import violation_of

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 0.5
_CLASSES_OF_RESULTS = frozenset({"22", "23", "54"})
"""Of SQLSTATE: data exceptions, broken constraints, limits of the program."""
_NOT_STORED = failed("internal", "The database could not hold what the sync came to.")


def record(
    engine: Engine,
    hold: Hold,
    outcome: Outcome,
    watermarks: Sequence[Mapping[str, object]],
    *,
    attempt: int,
    now: datetime | None,
) -> Recorded | None:
    """Record an outcome; None, and nothing written, if the fence was lost.

    When the connection breaks, a lock does not come, or the database is in any other trouble, it is
    tried again for as long as a lease lasts: what was loaded is worth it, and a repeat of what did
    arrive finds its fence used and changes nothing. A result that the database cannot hold, such as
    a text with a NUL character, ends the run instead. Raises the last `DBAPIError` when the time is
    over.
    """
    until = monotonic() + hold.lease.total_seconds()
    while True:
        try:
            with single_statements(engine) as connection:
                return record_outcome(
                    connection,
                    hold.run_id,
                    hold.fence,
                    outcome,
                    watermarks,
                    attempt=attempt,
                    now=now,
                )
        except (DBAPIError, TypeError, ValueError) as error:
            if _cannot_be_held(error):
                if outcome is _NOT_STORED:
                    raise
                _log_not_stored(hold, error)
                outcome, watermarks = _NOT_STORED, ()
                continue
            if monotonic() >= until:
                raise
            _log_repeated(hold, error)
            Event().wait(_PAUSE_SECONDS)


def _cannot_be_held(error: Exception) -> bool:
    """Tell whether the result itself was refused: by its values, its rules or its size."""
    if not isinstance(error, DBAPIError):
        return True  # what the driver cannot even send
    return violation_of(error).sqlstate[:2] in _CLASSES_OF_RESULTS


def _log_repeated(hold: Hold, error: Exception) -> None:
    log_event(
        _log,
        logging.WARNING,
        "record_repeated",
        "The result did not reach the database and is sent again",
        run_id=hold.public_id,
        error_class=class_and_place(error),
    )


def _log_not_stored(hold: Hold, error: Exception) -> None:
    log_event(
        _log,
        logging.ERROR,
        "result_not_stored",
        "The database could not hold the result of a sync; its run ends as failed",
        run_id=hold.public_id,
        error_class=class_and_place(error),
    )
