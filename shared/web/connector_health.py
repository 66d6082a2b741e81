"""/api/v2/connectors/{id}/health: what is known of a connector's health, and from what."""

import uuid
from http import HTTPStatus
from typing import Any

from shared.domain.access import Role
from shared.errors import NotFoundError
from shared.store.connector_health import MOST_STREAMS, KnownHealth, find_health
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.web.auth import principal, wiring
from shared.web.operations import Answers
from shared.web.present import instant
from shared.web.routes import Routes
from shared.web.shapes.health import ConnectorHealth

routes = Routes("connector_health", "/api/v2/connectors/<uuid:connector>/health", tag="Connectors")


@routes.on(
    "GET",
    "",
    "read_connector_health",
    Role.VIEWER,
    Answers(HTTPStatus.OK, ConnectorHealth),
)
def read(connector: uuid.UUID) -> dict[str, Any]:
    """Tell how a connector is, why and since when, and what its last run and look found.

    Nothing is asked of its source: `check` does that.
    """
    with single_statements(wiring().engine) as connection:
        known = find_health(connection, principal().workspace_id, connector)
    if known is None:
        raise NotFoundError("There is no such connector.")
    return _present(known)


def _present(known: KnownHealth) -> dict[str, Any]:
    row, run, failed = known.connector, known.last_run, known.failed_streams
    return {
        "connector_id": str(row["public_id"]),
        "status": row["status"],
        "health": row["health"],
        "reason": row["health_reason"],
        "since": instant(row["health_since"]),
        "last_look_at": instant(row["health_looked_at"]),
        # Only what can be synced is looked at.
        "next_look_at": (
            instant(row["health_next_check_at"]) if row["status"] == "connected" else None
        ),
        "authorized_at": instant(row["authorized_at"]),
        "access_ends_at": instant(row["expires_at"]),
        "last_run": None if run is None else _present_run(run),
        "last_synced_at": instant(row["last_synced_at"]),
        "failed_streams": [_present_stream(one) for one in failed[:MOST_STREAMS]],
        "failed_streams_are_more": len(failed) > MOST_STREAMS,
    }


def _present_run(row: Row) -> dict[str, Any]:
    return {
        "run_id": str(row["public_id"]),
        "status": row["status"],
        "reason": row["reason"],
        "error": row["error"],
        "started_at": instant(row["started_at"]),
        "completed_at": instant(row["completed_at"]),
    }


def _present_stream(row: Row) -> dict[str, Any]:
    return {
        "stream": row["stream"],
        "fault": row["fault"],
        "error": row["error"],
        "last_synced_at": instant(row["synced_at"]),
    }
