"""/api/v2/connector-types: what connectors can be of, with the schema of their config."""

from functools import cache
from typing import Any

from flask import Blueprint

from shared.connectors.registry import connector_type, slugs
from shared.domain.access import Role
from shared.web.auth import requires

blueprint = Blueprint("connector_types", __name__, url_prefix="/api/v2/connector-types")


@blueprint.get("")
@requires(Role.VIEWER)
def browse() -> dict[str, Any]:
    """List the connector types by slug: all of them, for there are few."""
    return {"items": [_present(slug) for slug in slugs()], "next_cursor": None}


@blueprint.get("/<slug>")
@requires(Role.VIEWER)
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
