"""Recompute what older zone data computed: governments move clocks, deployments bring the news.

Newer data only: while two versions of the dispatcher run at once, the older one undoes nothing.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from shared.domain.run import Reason
from shared.domain.zone_data import zone_data_version
from shared.flow.replan import replan
from shared.logs import class_and_place, log_event
from shared.store.schedules import find_schedules_of_older_zone_data
from shared.store.workspaces import lock_workspaces_of

_log = logging.getLogger(__name__)
_PAGE = 500
_REASON = Reason.ZONE_DATA_CHANGED


def replan_older_zone_data(
    engine: Engine, now: datetime, look_ahead: timedelta, has_time: Callable[[], bool]
) -> bool:
    """Plan anew, soonest first, what older zone data planned; return False if some is left.

    Trouble with it is logged and does not stop the tick.
    """
    version, done, is_current = zone_data_version(), 0, False
    try:
        while not is_current and has_time():
            with engine.begin() as connection:
                ids = find_schedules_of_older_zone_data(connection, version, page=_PAGE)
                if ids:
                    lock_workspaces_of(connection, ids)
                    # Another tick may have been faster.
                    older = find_schedules_of_older_zone_data(connection, version, page=_PAGE)
                    still = sorted(set(ids).intersection(older))
                    replan(connection, still, now=now, look_ahead=look_ahead, reason=_REASON)
            done += len(ids)
            is_current = len(ids) < _PAGE
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        log_event(
            _log,
            logging.ERROR,
            "zone_data_failed",
            "Schedules computed with older zone data could not be recomputed",
            error_class=class_and_place(error),
        )
    if done:
        log_event(
            _log,
            logging.INFO,
            "zone_data_changed",
            "Schedules were recomputed with newer zone data",
            schedules=done,
            version=version,
        )
    return is_current
