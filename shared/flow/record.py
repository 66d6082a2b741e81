"""Record what an attempt came to, through a database that is away for a moment."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from threading import Event

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from shared.clock import monotonic
from shared.domain.outcome import Outcome
from shared.flow.heartbeat import Hold
from shared.logs import log_event
from shared.store.attempts import Recorded, record_outcome
from shared.store.engine import single_statements

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 0.5


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

    When the connection breaks it is tried again for as long as a lease lasts: what was loaded is
    worth it, and a repeat of what did arrive finds its fence used and changes nothing.
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
        except DBAPIError as error:
            if not error.connection_invalidated or monotonic() >= until:
                raise
            log_event(
                _log,
                logging.WARNING,
                "record_repeated",
                "The result did not reach the database and is sent again",
                run_id=hold.public_id,
                error_class=type(error).__name__,
            )
            Event().wait(_PAUSE_SECONDS)
