"""Rescue: take back runs whose worker or task was lost; bounded, and cheap without trouble."""

import logging
from datetime import datetime, timedelta

from sqlalchemy import Engine

from shared.logs import log_event
from shared.store.engine import single_statements
from shared.store.runs import rescue_expired_leases, rescue_lost_tasks

_log = logging.getLogger(__name__)
_PAGE = 500
_TASK_PATIENCE = timedelta(minutes=5)


def rescue(engine: Engine, now: datetime) -> int:
    """Take back up to a page of runs of each kind of trouble; return how many."""
    with single_statements(engine) as connection:
        silent = rescue_expired_leases(connection, now=now, page=_PAGE)
        lost = rescue_lost_tasks(connection, now=now, patience=_TASK_PATIENCE, page=_PAGE)
    if silent or lost:
        log_event(
            _log,
            logging.WARNING,
            "runs_rescued",
            "Runs were taken back from silent workers or lost tasks",
            silent_workers=silent,
            lost_tasks=lost,
        )
    return silent + lost
