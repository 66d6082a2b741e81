"""A connector becomes one that can be synced, or one that waits for somebody."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from shared.flow.replan import plan_ahead, settle
from shared.store.connectors import update_connector
from shared.store.rows import Row
from shared.store.schedules import find_schedule_id


def set_status(
    connection: Connection,
    connector_id: int,
    status: str,
    *,
    now: datetime,
    look_ahead: timedelta,
    is_counted: bool = False,
) -> tuple[Row, int]:
    """Give a connector another status; return it, and how many runs are planned from now on.

    Its periods up to `now` are decided as it was, so that there is no backlog. The caller holds the
    workspace (`lock_workspace`) and the connector, and says if the change that this is a part of
    `is_counted` already.
    """
    schedule_id = find_schedule_id(connection, connector_id)
    ids = [] if schedule_id is None else [schedule_id]
    settle(connection, ids, now)
    row = update_connector(connection, connector_id, {"status": status}, is_counted=is_counted)
    return row, plan_ahead(connection, ids, now, look_ahead)
