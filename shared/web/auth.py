"""Who calls: an API key or a person's token, and the role that a route demands."""

from uuid import UUID

from flask import current_app, g, request

from shared.clock import utc_now
from shared.domain.access import Principal
from shared.domain.api_keys import ApiKey, parse_api_key
from shared.domain.audit import ActorKind
from shared.domain.members import Identity
from shared.errors import (
    CredentialsError,
    ForbiddenError,
    InvalidInputError,
    Problem,
    UnauthenticatedError,
)
from shared.flow.callers import (
    CHOICE,
    Home,
    caller_of_key,
    caller_of_token,
    home_of_key,
    homes_of_token,
)
from shared.web.operations import ANYONE, VERIFIED, Access
from shared.web.origin import origin_of
from shared.wiring import Wiring


def wiring() -> Wiring:
    """Return what the application works with: for the caller's workspace, once it is known."""
    return g.get("wiring") or current_app.extensions["syncline"]


def principal() -> Principal:
    """Return the caller of the request under way."""
    return g.principal


def issuers() -> list[str]:
    """Return the issuers whose tokens the deployment takes."""
    return [one.issuer for one in wiring().settings.oidc_issuers]


def homes() -> tuple[ActorKind, list[Home]]:
    """Return what kind of caller it is, and the workspaces of theirs; for VERIFIED routes."""
    return g.homes


def admit(access: Access) -> None:
    """Let the request go on if its caller has at least the role that its route demands.

    A VERIFIED route demands none: it knows the caller's workspaces, and speaks for none of them.
    Raises `ForbiddenError`, and as `_authenticate`. The one place where a request's role is
    compared.
    """
    if access == ANYONE:
        return
    if access == VERIFIED:
        g.homes = _find_homes()
        return
    g.principal = caller = _authenticate()
    if not caller.role.allows(access):
        raise ForbiddenError(f"This needs the role {access}; you have {caller.role}.")


def credentials() -> str:
    """Return the key or the token that the request under way shows; empty if it shows none."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _authenticate() -> Principal:
    """Return who calls, and let `wiring` be of their workspace.

    Raises as `_shown`, `ForbiddenError`, and `InvalidInputError` for the choice of a workspace.
    """
    parts: Wiring = current_app.extensions["syncline"]
    origin = origin_of(parts.settings.proxies)
    match _shown(parts):
        case ApiKey() as key:
            caller = caller_of_key(parts.engine, key, _wanted(), origin)
        case Identity() as identity:
            caller = caller_of_token(parts.engine, identity, _wanted(), origin)
    g.wiring = parts.of_workspace(caller.workspace_id)
    return caller


def _find_homes() -> tuple[ActorKind, list[Home]]:
    parts: Wiring = current_app.extensions["syncline"]
    match _shown(parts):
        case ApiKey() as key:
            return ActorKind.API_KEY, [home_of_key(parts.engine, key)]
        case Identity() as identity:
            return ActorKind.MEMBER, homes_of_token(parts.engine, identity)


def _shown(parts: Wiring) -> ApiKey | Identity:
    """Return the key or whose token the request shows; a key is not looked at any closer.

    Raises `UnauthenticatedError`, and `TransientError` while the keys of an issuer cannot be had.
    """
    text = credentials()
    if not text:
        raise UnauthenticatedError(
            "Send an API key or a token: Authorization: Bearer … (docs/callers.md)."
        )
    key = parse_api_key(text)
    if key is not None:
        return key
    if parts.settings.oidc_issuers:
        return parts.tokens.verify(text, utc_now())
    raise CredentialsError("This is no API key, and this deployment takes no other tokens.")


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
