"""Who calls: a workspace's API key, and the role that a route demands."""

from flask import current_app, g, request

from shared.domain.access import Principal
from shared.domain.api_keys import parse_api_key
from shared.domain.workspace import require_active
from shared.errors import ForbiddenError, UnauthenticatedError
from shared.store.engine import single_statements
from shared.store.tenancy import presenting
from shared.store.workspaces import find_api_key, find_caller, note_key_used
from shared.web.operations import ANYONE, Access
from shared.wiring import Wiring


def wiring() -> Wiring:
    """Return what the application works with: for the caller's workspace, once it is known."""
    return g.get("wiring") or current_app.extensions["syncline"]


def principal() -> Principal:
    """Return the caller of the request under way."""
    return g.principal


def admit(access: Access) -> None:
    """Let the request go on if its caller has at least the role that its route demands.

    Raises `UnauthenticatedError` or `ForbiddenError`. The one place where roles are compared.
    """
    if access == ANYONE:
        return
    caller = _authenticate()
    if not caller.role.allows(access):
        raise ForbiddenError(f"This needs the role {access}; the key has {caller.role}.")
    g.principal = caller


def _authenticate() -> Principal:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    key = parse_api_key(text.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise UnauthenticatedError("Send an API key: Authorization: Bearer syn_…")
    parts: Wiring = current_app.extensions["syncline"]
    with single_statements(presenting(parts.engine, key.secret_hash)) as connection:
        found = find_api_key(connection, key)
    if found is None:
        raise UnauthenticatedError("The API key is unknown, expired or revoked.")
    g.wiring = parts.of_workspace(found["workspace_id"])
    with single_statements(g.wiring.engine) as connection:
        caller = find_caller(connection, found)
        require_active(caller.workspace)
        note_key_used(connection, caller.principal.api_key_id)
    return caller.principal
