"""Is this instance alive, and can it reach its database? Open to everybody, says nothing more."""

from typing import Any

from flask import Blueprint
from sqlalchemy.exc import SQLAlchemyError

from shared.store.engine import single_statements
from shared.store.ticks import as_of
from shared.web.auth import wiring

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive() -> dict[str, Any]:
    """Answer while the process can answer at all."""
    return {"status": "ok"}


@blueprint.get("/readyz")
def ready() -> tuple[dict[str, Any], int]:
    """Answer 200 when a request could be served, 503 while the database is away."""
    try:
        with single_statements(wiring().engine) as connection:
            as_of(connection, None)
    except (SQLAlchemyError, TimeoutError, OSError):
        return {"status": "database_unavailable"}, 503
    return {"status": "ok"}, 200
