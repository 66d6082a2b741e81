"""Who calls: an API key or a person's token, and the role that a route demands."""

from uuid import UUID

from flask import current_app, g, request

from shared.clock import utc_now
from shared.domain.access import Principal
from shared.domain.api_keys import parse_api_key
from shared.errors import (
    CredentialsError,
    ForbiddenError,
    InvalidInputError,
    Problem,
    UnauthenticatedError,
)
from shared.flow.callers import CHOICE, caller_of_key, caller_of_token
from shared.web.operations import ANYONE, Access
from shared.web.origin import origin_of
from shared.wiring import Wiring


def wiring() -> Wiring:
    """Return what the application works with: for the caller's workspace, once it is known."""
    return g.get("wiring") or current_app.extensions["syncline"]


def principal() -> Principal:
    """Return the caller of the request under way."""
    return g.principal


def admit(access: Access) -> None:
    """Let the request go on if its caller has at least the role that its route demands.

    Raises `ForbiddenError`, and as `_authenticate`. The one place where a request's role is
    compared.
    """
    if access == ANYONE:
        return
    g.principal = caller = _authenticate()
    if not caller.role.allows(access):
        raise ForbiddenError(f"This needs the role {access}; you have {caller.role}.")


def _authenticate() -> Principal:
    """Return who calls, and let `wiring` be of their workspace.

    Raises `UnauthenticatedError`, `ForbiddenError`, `InvalidInputError` for the choice of a
    workspace, and `TransientError` while the keys of an issuer cannot be had.
    """
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    shown = text.strip()
    if scheme.lower() != "bearer" or not shown:
        raise UnauthenticatedError(
            "Send an API key or a token: Authorization: Bearer … (docs/callers.md)."
        )
    parts: Wiring = current_app.extensions["syncline"]
    origin, key = origin_of(parts.settings.proxies), parse_api_key(shown)
    if key is not None:
        caller = caller_of_key(parts.engine, key, _wanted(), origin)
    elif parts.settings.oidc_issuers:
        identity = parts.tokens.verify(shown, utc_now())
        caller = caller_of_token(parts.engine, identity, _wanted(), origin)
    else:
        raise CredentialsError("This is no API key, and this deployment takes no other tokens.")
    g.wiring = parts.of_workspace(caller.workspace_id)
    return caller


def _wanted() -> UUID | None:
    """Return the workspace that the request names, if it does."""
    text = request.headers.get(CHOICE)
    if text is None:
        return None
    try:
        return UUID(text.strip())
    except ValueError:
        raise InvalidInputError(
            Problem(CHOICE, "workspace_form", "it is no UUID", "Use the id of a workspace.")
        ) from None
