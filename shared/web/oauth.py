"""/api/v2/connectors/{id}/authorize: where a person authorizes a connector."""

import uuid
from typing import Any

from flask import Blueprint

from shared.domain.access import Role
from shared.flow.oauth_begin import Reception, begin_authorization
from shared.web.auth import principal, requires, wiring
from shared.web.bodies import AuthorizeBody, read_body
from shared.web.present import instant

blueprint = Blueprint("oauth", __name__, url_prefix="/api/v2/connectors/<uuid:connector>")


@blueprint.post("/authorize")
@requires(Role.EDITOR)
def authorize(connector: uuid.UUID) -> dict[str, Any]:
    """Begin an authorization: send a browser to the address that is answered."""
    body = read_body(AuthorizeBody, is_optional=True)
    parts = wiring()
    settings = parts.settings
    reception = Reception(parts.engine, parts.key, settings.oauth_redirect_url, settings.public_url)
    begun = begin_authorization(reception, principal(), connector, return_to=body.return_to)
    return {"authorization_url": begun.url, "expires_at": instant(begun.expires_at)}
