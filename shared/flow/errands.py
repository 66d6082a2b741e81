"""What a worker is asked for beside runs: to wake before one, and to look at quiet connectors."""

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from shared.domain.task import LOOK_PATH, WARM_UP_PATH
from shared.logs import class_and_place, log_event
from shared.store.engine import single_statements
from shared.store.workers import wanted_errands

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

_log = logging.getLogger(__name__)
_SOON = timedelta(minutes=1)
_IDLE = timedelta(minutes=10)
"""After which a platform may have ended an instance that nobody called."""


def order_errands(engine: Engine, queue: "CloudTasksQueue", now: datetime) -> None:
    """Order what a worker is wanted for: a warm-up, and looks at connectors.

    A cold worker imports for seconds: one is woken if a run starts within a minute and all of them
    sleep. Trouble with any of it harms nothing but a run's start or a look, so that it is logged
    and the tick goes on.
    """
    try:
        with single_statements(engine) as connection:
            wanted = wanted_errands(connection, now=now, soon=_SOON, idle=_IDLE)
    except SQLAlchemyError as error:
        log_event(
            _log,
            logging.WARNING,
            "errands_unknown",
            "What a worker is wanted for could not be found out",
            error_class=class_and_place(error),
        )
        return
    if wanted["warm_up"]:
        _order(queue, WARM_UP_PATH, now, "A sleeping worker is woken for what is due soon")
    if wanted["look"]:
        _order(queue, LOOK_PATH, now, "A worker looks at connectors that were not heard of")


def _order(queue: "CloudTasksQueue", path: str, now: datetime, what: str) -> None:
    is_taken = queue.order_errand(path, now)
    level = logging.INFO if is_taken else logging.WARNING
    log_event(_log, level, "errand_ordered", what, path=path, is_taken=is_taken)
