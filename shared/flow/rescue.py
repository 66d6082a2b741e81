"""Rescue: take back runs whose worker or task was lost; bounded, and cheap without trouble."""

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from shared.flow.patience import USUAL, Patience
from shared.logs import class_and_place, log_event
from shared.store.engine import single_statements
from shared.store.runs import rescue_expired_leases, rescue_lost_tasks
from shared.store.schedules import time_out_stale_schedules
from shared.store.violations import violation_of

_log = logging.getLogger(__name__)
_PAGE = 500


def rescue(engine: Engine, now: datetime, patience: Patience = USUAL) -> int:
    """Take back up to a page of runs of each kind of trouble; return how many.

    Trouble with one kind is logged and keeps neither the other nor the rest of the tick.
    """
    silent = _attempt(
        engine,
        "rescue_expired_leases",
        lambda connection: rescue_expired_leases(
            connection, now=now, patience=patience.run, page=_PAGE
        ),
    )
    stale = _attempt(
        engine,
        "time_out_stale_schedules",
        lambda connection: time_out_stale_schedules(
            connection, now=now, patience=patience.run, page=_PAGE
        ),
    )
    lost = _attempt(
        engine,
        "rescue_lost_tasks",
        lambda connection: rescue_lost_tasks(
            connection, now=now, patience=patience.task, page=_PAGE
        ),
    )
    if silent or lost or stale:
        log_event(
            _log,
            logging.WARNING,
            "runs_rescued",
            "Runs were taken back from silent workers or lost tasks",
            silent_workers=silent,
            lost_tasks=lost,
            stale_schedules=stale,
        )
    return silent + lost


def _attempt(engine: Engine, what: str, act: Callable[[Connection], int]) -> int:
    try:
        with single_statements(engine) as connection:
            return act(connection)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        log_event(
            _log,
            logging.ERROR,
            "rescue_failed",
            "Runs in trouble could not be taken back",
            statement=what,
            error_class=class_and_place(error),
            rule=violation_of(error).constraint,
        )
        return 0
