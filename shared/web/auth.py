"""Who calls: a workspace's API key, and the role that a route demands."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import current_app, g, request
from werkzeug.wrappers import Response

from shared.domain.access import Principal, Role
from shared.domain.api_keys import parse_api_key
from shared.domain.workspace import require_active
from shared.errors import ForbiddenError, UnauthenticatedError
from shared.store.engine import single_statements
from shared.store.workspaces import find_caller, note_key_used
from shared.wiring import Wiring

View = Callable[..., Any]


def wiring() -> Wiring:
    """Return what the application works with."""
    return current_app.extensions["syncline"]


def requires(role: Role) -> Callable[[View], View]:
    """Let a view be called only with a key of at least this role; mark it as guarded."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Response | Any:
            caller = _authenticate()
            if not caller.role.allows(role):
                raise ForbiddenError(f"This needs the role {role}; the key has {caller.role}.")
            g.principal = caller
            return view(*args, **kwargs)

        guarded.required_role = role  # pyright: ignore[reportAttributeAccessIssue]
        return guarded

    return guard


def principal() -> Principal:
    """Return the caller of the request under way."""
    return g.principal


def _authenticate() -> Principal:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    key = parse_api_key(text.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise UnauthenticatedError("Send an API key: Authorization: Bearer syn_…")
    with single_statements(wiring().engine) as connection:
        caller = find_caller(connection, key)
        if caller is None:
            raise UnauthenticatedError("The API key is unknown, expired or revoked.")
        require_active(caller.workspace)
        note_key_used(connection, caller.principal.api_key_id)
    return caller.principal
