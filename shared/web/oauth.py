"""/api/v2/connectors/{id}/authorize: where a person authorizes a connector."""

import uuid
from http import HTTPStatus
from typing import Any

from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.flow.oauth_begin import Reception, begin_authorization
from shared.web.auth import principal, wiring
from shared.web.bodies import AuthorizeBody
from shared.web.operations import SOURCE_PROBLEMS, Answers, Takes
from shared.web.present import instant
from shared.web.routes import Routes
from shared.web.shapes.connectors import Authorization

routes = Routes(
    "oauth", "/api/v2/connectors/<uuid:connector>", tag="Connectors", changes=ObjectKind.CONNECTOR
)


# Without Idempotency-Key: who has the address of the answer can go there in a person's place.
@routes.on(
    "POST",
    "/authorize",
    "authorize_connector",
    Role.EDITOR,
    Answers(
        HTTPStatus.OK,
        Authorization,
        {
            **SOURCE_PROBLEMS,
            HTTPStatus.CONFLICT: ("no_authorization_needed", "connector_unavailable"),
        },
    ),
    Takes(
        AuthorizeBody,
        body_is_optional=True,
        examples={"back to the connectors": {"return_to": "/connectors"}},
    ),
)
def authorize(connector: uuid.UUID, body: AuthorizeBody) -> dict[str, Any]:
    """Begin an authorization: send a browser to the address that is answered."""
    parts = wiring()
    settings = parts.settings
    reception = Reception(parts.engine, parts.key, settings.oauth_redirect_url, settings.public_url)
    begun = begin_authorization(reception, principal(), connector, return_to=body.return_to)
    return {"authorization_url": begun.url, "expires_at": instant(begun.expires_at)}
