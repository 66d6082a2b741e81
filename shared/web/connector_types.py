"""/api/v2/connector-types: what connectors can be of, with the schema of their config."""

from functools import cache
from http import HTTPStatus
from typing import Any

from shared.connectors.registry import connector_type, slugs
from shared.domain.access import Role
from shared.web.operations import Answers, Link
from shared.web.routes import Routes
from shared.web.shapes.connectors import ConnectorType, ConnectorTypes

routes = Routes("connector_types", "/api/v2/connector-types", tag="Connector types")


@routes.on(
    "GET",
    "",
    "list_connector_types",
    Role.VIEWER,
    Answers(
        HTTPStatus.OK,
        ConnectorTypes,
        links=(Link("read_connector_type", {"slug": "/items/0/slug"}),),
    ),
)
def browse() -> dict[str, Any]:
    """List the connector types by slug: all of them, for there are few."""
    return {"items": [_present(slug) for slug in slugs()], "next_cursor": None}


@routes.on(
    "GET", "/<slug>", "read_connector_type", Role.VIEWER, Answers(HTTPStatus.OK, ConnectorType)
)
def read(slug: str) -> dict[str, Any]:
    """Read one connector type."""
    return _present(slug)


@cache
def _present(slug: str) -> dict[str, Any]:
    """Return a type; its config's model says how people call and describe it.

    A form is made of `config_schema`, in which secrets are marked `writeOnly`.
    """
    model = connector_type(slug).config_model
    schema = model.model_json_schema(mode="validation")
    return {
        "slug": slug,
        "title": model.model_config.get("title") or slug.replace("_", " ").capitalize(),
        "description": schema.get("description", ""),
        "config_schema": schema,
    }
