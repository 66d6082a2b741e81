"""/api/v2/connectors: create, read, change, disable, enable and delete connectors."""

import uuid
from typing import Any

from flask import Blueprint, url_for

from shared.domain.access import Role
from shared.errors import NotFoundError
from shared.flow.connectors import change_connector, create_connector
from shared.flow.retire import delete_connector, disable_connector, enable_connector
from shared.store.connectors import find_connector, list_connectors
from shared.store.engine import single_statements
from shared.web.auth import principal, requires, wiring
from shared.web.bodies import ConnectorChangesBody, NewConnectorBody, read_body
from shared.web.paging import page, page_cursor, page_limit
from shared.web.planner import planner
from shared.web.present import present_connector

blueprint = Blueprint("connectors", __name__, url_prefix="/api/v2/connectors")


@blueprint.post("")
@requires(Role.EDITOR)
def create() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Create a connector."""
    body = read_body(NewConnectorBody)
    row = create_connector(
        wiring().engine,
        principal(),
        wiring().key,
        slug=body.type,
        name=body.name,
        config=body.config,
    )
    location = url_for("connectors.read", connector=row["public_id"])
    return present_connector(row), 201, {"Location": location}


@blueprint.get("")
@requires(Role.VIEWER)
def browse() -> dict[str, Any]:
    """List the workspace's connectors, oldest first."""
    limit = page_limit()
    with single_statements(wiring().engine) as connection:
        rows = list_connectors(
            connection, principal().workspace_id, after_id=page_cursor() or 0, limit=limit + 1
        )
    return page(rows, limit, present_connector)


@blueprint.get("/<uuid:connector>")
@requires(Role.VIEWER)
def read(connector: uuid.UUID) -> dict[str, Any]:
    """Read one connector."""
    with single_statements(wiring().engine) as connection:
        row = find_connector(connection, principal().workspace_id, connector)
    if row is None:
        raise NotFoundError("There is no such connector.")
    return present_connector(row)


@blueprint.patch("/<uuid:connector>")
@requires(Role.EDITOR)
def change(connector: uuid.UUID) -> dict[str, Any]:
    """Change the name or the config of a connector; secrets that are left out stay."""
    body = read_body(ConnectorChangesBody)
    row = change_connector(
        planner(),
        principal(),
        wiring().key,
        connector,
        name=body.name,
        config=body.config,
    )
    return present_connector(row)


@blueprint.post("/<uuid:connector>/disable")
@requires(Role.EDITOR)
def disable(connector: uuid.UUID) -> dict[str, Any]:
    """Let nothing of a connector run; what waits or is in progress is cancelled."""
    return present_connector(disable_connector(planner(), principal(), connector))


@blueprint.post("/<uuid:connector>/enable")
@requires(Role.EDITOR)
def enable(connector: uuid.UUID) -> dict[str, Any]:
    """End the disabling of a connector, without a backlog."""
    return present_connector(enable_connector(planner(), principal(), connector))


@blueprint.delete("/<uuid:connector>")
@requires(Role.EDITOR)
def delete(connector: uuid.UUID) -> tuple[str, int]:
    """Delete a connector with its schedule; what waits or is in progress is cancelled."""
    delete_connector(planner(), principal(), connector)
    return "", 204
