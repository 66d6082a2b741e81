"""How a workspace, and the deployment as a whole, are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, text

from shared.store.rows import Row
from shared.store.sql import load_sql
from shared.store.tables import workspace_connector

MOST_COUNTED = 10_001
"""Where a count ends: it then says that there are more than 10,000."""

_RECENT = timedelta(hours=1)
_LEASE_PATIENCE = timedelta(minutes=2)
"""After a lease ran out the next tick takes its run back."""
_TASK_PATIENCE = timedelta(minutes=5)
_DEPLOYMENT = text("SELECT metric, label, value FROM syncline_metrics()")


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure of the deployment; `label` tells apart those of one metric, and may be empty."""

    metric: str
    label: str
    value: float


def workspace_health(connection: Connection, workspace_id: int, *, now: datetime) -> Row:
    """Return what is late, stuck and in progress in a workspace, and how punctual it was."""
    parameters = {
        "workspace_id": workspace_id,
        "now": now,
        "most": MOST_COUNTED,
        "recent": _RECENT,
        "patience": _LEASE_PATIENCE,
        "task_patience": _TASK_PATIENCE,
    }
    return connection.execute(load_sql("workspace_health"), parameters).mappings().one()


def list_unhealthy(connection: Connection, workspace_id: int, *, limit: int) -> Sequence[Row]:
    """Return up to `limit` unhealthy connectors of a workspace, oldest first."""
    query = (
        select(
            workspace_connector.c.public_id,
            workspace_connector.c.name,
            workspace_connector.c.health_reason,
        )
        .where(workspace_connector.c.workspace_id == workspace_id)
        .where(workspace_connector.c.health == text("'unhealthy'"))
        .where(workspace_connector.c.deleted_at.is_(None))
        .order_by(workspace_connector.c.id)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def deployment_readings(connection: Connection) -> Sequence[Reading]:
    """Return the figures of the deployment as a whole, of no workspace by name."""
    rows = connection.execute(_DEPLOYMENT).all()
    return [Reading(row.metric, row.label, float(row.value)) for row in rows]
