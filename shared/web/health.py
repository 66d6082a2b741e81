"""Is this instance alive, and can it reach its database? Open to everybody, says nothing more."""

import logging
from http import HTTPStatus
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from shared.errors import ConfigurationError
from shared.logs import log_event
from shared.store.engine import single_statements
from shared.store.schema_version import find_state, newest_version
from shared.web.auth import wiring
from shared.web.operations import ANYONE, Answers
from shared.web.routes import Routes
from shared.web.shapes.base import Health
from shared.web.shapes.workspace import Readiness

_log = logging.getLogger(__name__)
routes = Routes("health", "", tag="Health")


@routes.on("GET", "/healthz", "is_alive", ANYONE, Answers(HTTPStatus.OK, Health))
def alive() -> dict[str, Any]:
    """Answer while the process can answer at all."""
    return {"status": "ok"}


@routes.on(
    "GET",
    "/readyz",
    "is_ready",
    ANYONE,
    Answers(HTTPStatus.OK, Readiness, otherwise={HTTPStatus.SERVICE_UNAVAILABLE: Readiness}),
)
def ready() -> tuple[dict[str, Any], int]:
    """Answer 200 when a request could be served, 503 while it could not.

    That is while the database is away, or older than this version of the api, or while the api's
    login to it is not as it has to be (`deployment`). How long ago the dispatcher finished a pass
    is told, and keeps nobody from serving.
    """
    try:
        with single_statements(wiring().engine) as connection:
            version, now, last_tick_at = find_state(connection)
    except ConfigurationError as error:
        # Whoever looks after the deployment has to act; what they are to do stands in the log.
        log_event(_log, logging.ERROR, "not_ready", "The api serves nobody", reason=str(error))
        return {"status": error.code, "last_tick_age_seconds": None}, 503
    except (SQLAlchemyError, TimeoutError, OSError):
        return {"status": "database_unavailable", "last_tick_age_seconds": None}, 503
    age = None if last_tick_at is None else max(0, round((now - last_tick_at).total_seconds()))
    if version is None or version < newest_version():
        return {"status": "schema_outdated", "last_tick_age_seconds": age}, 503
    return {"status": "ok", "last_tick_age_seconds": age}, 200
