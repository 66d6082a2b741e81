"""Wake a worker before it is needed: a cold one imports for seconds before its first run starts."""

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from shared.logs import class_and_place, log_event
from shared.store.engine import single_statements
from shared.store.workers import wants_warm_up

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

_log = logging.getLogger(__name__)
_SOON = timedelta(minutes=1)
_IDLE = timedelta(minutes=10)
"""After which a platform may have ended an instance that nobody called."""


def wake_worker(engine: Engine, queue: "CloudTasksQueue", now: datetime) -> bool:
    """Order a call of the worker's warm-up if a run starts within a minute and all workers sleep.

    Returns whether it did. Trouble with it harms nothing but a run's start, so that it is logged
    and the tick goes on.
    """
    try:
        with single_statements(engine) as connection:
            is_wanted = wants_warm_up(connection, now=now, soon=_SOON, idle=_IDLE)
    except SQLAlchemyError as error:
        log_event(
            _log,
            logging.WARNING,
            "warm_up_unknown",
            "Whether a worker has to be woken could not be found out",
            error_class=class_and_place(error),
        )
        return False
    if not is_wanted:
        return False
    is_taken = queue.order_warm_up(now)
    log_event(
        _log,
        logging.INFO if is_taken else logging.WARNING,
        "warm_up_ordered",
        "A sleeping worker is woken for what is due soon",
        is_taken=is_taken,
    )
    return is_taken
