"""/api/v2/connectors: create, read, change, disable, enable and delete connectors."""

import uuid
from http import HTTPStatus
from typing import Any

from flask import url_for

from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.errors import NotFoundError
from shared.flow.connectors import change_connector, create_connector
from shared.flow.retire import delete_connector, disable_connector, enable_connector
from shared.store.connectors import find_connector, list_connectors
from shared.store.engine import single_statements
from shared.web.auth import principal, wiring
from shared.web.bodies import ConnectorChangesBody, NewConnectorBody
from shared.web.etags import premise, version_in
from shared.web.examples import NEW_CONNECTOR, NEW_NAME
from shared.web.operations import Answers, Link, Takes
from shared.web.paging import page
from shared.web.planner import planner
from shared.web.present import present_connector
from shared.web.queries import PageQuery
from shared.web.repeats import resource_id
from shared.web.routes import Routes
from shared.web.shapes.connectors import Connector, Connectors

routes = Routes("connectors", "/api/v2/connectors", tag="Connectors", changes=ObjectKind.CONNECTOR)

_ONE = Answers(HTTPStatus.OK, Connector, version=version_in)
_PREMISE = Takes(premise=True)
_ITS = {"connector": "/id"}


@routes.on(
    "POST",
    "",
    "create_connector",
    Role.EDITOR,
    Answers(
        HTTPStatus.CREATED,
        Connector,
        {HTTPStatus.CONFLICT: ("name_taken", "connector_deleted")},
        version=version_in,
        location=True,
        links=(
            Link("read_connector", _ITS),
            Link("change_connector", _ITS),
            Link("disable_connector", _ITS),
            Link("enable_connector", _ITS),
            Link("list_watermarks", _ITS),
            Link("read_connector_health", _ITS),
            Link("delete_connector", _ITS),
        ),
    ),
    Takes(NewConnectorBody, examples={"a table of a database": NEW_CONNECTOR}, key=True),
)
def create(body: NewConnectorBody) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Create a connector.

    `config` has the schema of its type, which connector-types tells. Its secrets are sealed and
    never shown again: `secrets_set` points to those that are set.
    """
    row = create_connector(
        wiring().engine,
        principal(),
        wiring().key,
        slug=body.type,
        name=body.name,
        config=body.config,
        public_id=resource_id(),
    )
    location = url_for("connectors.read", connector=row["public_id"])
    return present_connector(row), 201, {"Location": location}


@routes.on(
    "GET",
    "",
    "list_connectors",
    Role.VIEWER,
    Answers(
        HTTPStatus.OK, Connectors, links=(Link("read_connector", {"connector": "/items/0/id"}),)
    ),
    Takes(query=PageQuery),
)
def browse(query: PageQuery) -> dict[str, Any]:
    """List the workspace's connectors, oldest first."""
    with single_statements(wiring().engine) as connection:
        rows = list_connectors(
            connection,
            principal().workspace_id,
            after_id=query.cursor or 0,
            limit=query.limit + 1,
        )
    return page(rows, query.limit, present_connector)


@routes.on("GET", "/<uuid:connector>", "read_connector", Role.VIEWER, _ONE)
def read(connector: uuid.UUID) -> dict[str, Any]:
    """Read one connector."""
    with single_statements(wiring().engine) as connection:
        row = find_connector(connection, principal().workspace_id, connector)
    if row is None:
        raise NotFoundError("There is no such connector.")
    return present_connector(row)


@routes.on(
    "PATCH",
    "/<uuid:connector>",
    "change_connector",
    Role.EDITOR,
    Answers(
        HTTPStatus.OK,
        Connector,
        {HTTPStatus.CONFLICT: ("name_taken", "changed_meanwhile", "run_active")},
        version=version_in,
    ),
    Takes(ConnectorChangesBody, examples={"another name": NEW_NAME}, premise=True),
)
def change(connector: uuid.UUID, body: ConnectorChangesBody) -> dict[str, Any]:
    """Change the name or the config of a connector; secrets that are left out stay.

    A config is taken as a whole; its secrets stay while nothing but `streams` differs.
    """
    row = change_connector(
        planner(),
        principal(),
        wiring().key,
        connector,
        name=body.name,
        config=body.config,
        premise=premise(),
    )
    return present_connector(row)


@routes.on(
    "POST",
    "/<uuid:connector>/disable",
    "disable_connector",
    Role.EDITOR,
    Answers(
        HTTPStatus.OK,
        Connector,
        {HTTPStatus.CONFLICT: ("connector_unavailable",)},
        version=version_in,
    ),
    _PREMISE,
)
def disable(connector: uuid.UUID) -> dict[str, Any]:
    """Let nothing of a connector run; what waits or is in progress is cancelled."""
    return present_connector(
        disable_connector(planner(), principal(), connector, premise=premise())
    )


@routes.on("POST", "/<uuid:connector>/enable", "enable_connector", Role.EDITOR, _ONE, _PREMISE)
def enable(connector: uuid.UUID) -> dict[str, Any]:
    """End the disabling of a connector, without a backlog."""
    return present_connector(enable_connector(planner(), principal(), connector, premise=premise()))


@routes.on(
    "DELETE",
    "/<uuid:connector>",
    "delete_connector",
    Role.EDITOR,
    Answers(HTTPStatus.NO_CONTENT),
    _PREMISE,
)
def delete(connector: uuid.UUID) -> tuple[str, int]:
    """Delete a connector with its schedule; what waits or is in progress is cancelled."""
    delete_connector(planner(), principal(), connector, premise=premise())
    return "", 204
