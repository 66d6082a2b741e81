"""API keys of a workspace, made, changed and revoked by its admins; a key is shown once."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine

from shared.domain.access import Principal, Role
from shared.domain.api_keys import ApiKey
from shared.domain.audit import Change, ObjectKind
from shared.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    Problem,
)
from shared.flow.audit import append_change
from shared.flow.premises import Premise, any_state
from shared.flow.standing import lock_for_admin
from shared.store.admins import has_lasting_admin
from shared.store.api_keys import (
    count_live_keys,
    find_api_key,
    insert_api_key,
    revoke_keys_made_by,
    update_api_key,
)
from shared.store.rows import Row
from shared.store.ticks import as_of

MAX_KEYS = 100
"""Of one workspace that open it at once."""
_PREFIX_BYTES = 6
_SECRET_BYTES = 32
_REVOCATION = "revoke_api_key"
_TOLD = ("name", "role", "expires_at", "revoked_at")


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key, and its whole text; None if it was made before, for nobody can read it again."""

    row: Row
    text: str | None


def new_api_key() -> ApiKey:
    """Return a key that nobody has."""
    return ApiKey(secrets.token_hex(_PREFIX_BYTES), secrets.token_hex(_SECRET_BYTES))


def create_key(
    engine: Engine,
    principal: Principal,
    *,
    name: str,
    role: Role,
    expires_at: datetime | None,
    public_id: UUID | None = None,
    now: datetime | None = None,
) -> MadeKey:
    """Make a key of the caller's workspace, with a role up to the caller's own.

    Given a `public_id` that it has already, it was made before and is returned. Raises
    `InvalidInputError` for an end that has passed, `ForbiddenError` for a higher role,
    `ConflictError` (too_many_keys).
    """
    require_own_role(principal, role)
    key = new_api_key()
    with engine.begin() as connection:
        lock_for_admin(connection, principal)
        before = public_id and find_api_key(connection, principal.workspace_id, public_id)
        if before:
            return MadeKey(before, None)
        _require_future(expires_at, as_of(connection, now))
        _require_room(connection, principal.workspace_id)
        values: dict[str, Any] = {
            "name": name,
            "role": role,
            "expires_at": expires_at,
            "created_by": principal.actor.name,
            "created_by_id": principal.actor.id,
        }
        if public_id is not None:
            values["public_id"] = public_id
        row = insert_api_key(connection, principal.workspace_id, key, values)
        _append(connection, principal, "create_api_key", None, row)
    return MadeKey(row, key.text)


def change_key(
    engine: Engine,
    principal: Principal,
    issuers: Collection[str],
    key: UUID,
    changes: Mapping[str, Any],
    *,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> Row:
    """Change name or end of a key that is live; what changes nothing is no change.

    One that ended opens nothing again: it would be one more than there may be. `issuers` are those
    of the deployment, whose people count as admins. Raises `NotFoundError`, `InvalidInputError` for
    an end that has passed, `ConflictError` (key_revoked, key_expired, last_admin), or what
    `premise` raises.
    """
    with engine.begin() as connection:
        lock_for_admin(connection, principal)
        before = require_key(connection, principal, key)
        premise(before)
        if before["revoked_at"] is not None:
            raise ConflictError("This key is revoked: make another one.", code="key_revoked")
        at = as_of(connection, now)
        if before["expires_at"] is not None and before["expires_at"] <= at:
            raise ConflictError("This key has expired: make another one.", code="key_expired")
        touched = {name: value for name, value in changes.items() if before[name] != value}
        if not touched:
            return before
        if "expires_at" in touched:
            _require_future(touched["expires_at"], at)
        row = update_api_key(connection, before["id"], touched)
        if row["role"] == Role.ADMIN and _ends_sooner(before["expires_at"], row["expires_at"]):
            require_lasting_admin(connection, principal, issuers)
        _append(connection, principal, "change_api_key", before, row)
        return row


def revoke_key(
    engine: Engine,
    principal: Principal,
    issuers: Collection[str],
    key: UUID,
    *,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> None:
    """Revoke a key: the next request with it is refused. One that is revoked stays so.

    `issuers` are those of the deployment, whose people count as admins. Raises `NotFoundError`,
    `ConflictError` (last_admin), or what `premise` raises.
    """
    with engine.begin() as connection:
        lock_for_admin(connection, principal)
        before = require_key(connection, principal, key)
        premise(before)
        if before["revoked_at"] is not None:
            return
        row = update_api_key(connection, before["id"], {"revoked_at": as_of(connection, now)})
        if row["role"] == Role.ADMIN:
            require_lasting_admin(connection, principal, issuers)
        _append(connection, principal, _REVOCATION, before, row)


def revoke_keys_of(
    connection: Connection, principal: Principal, maker: UUID, *, at: datetime
) -> tuple[Sequence[Row], list[Change]]:
    """Revoke the live keys that a member made; return them, and the changes for the log.

    The caller holds the workspace and looks whether an admin is left.
    """
    rows = revoke_keys_made_by(connection, principal.workspace_id, maker, at=at)
    return rows, [_change(_REVOCATION, {**row, "revoked_at": None}, row) for row in rows]


def require_key(connection: Connection, principal: Principal, key: UUID) -> Row:
    """Return a key of the caller's workspace; raise `NotFoundError` if there is none."""
    row = find_api_key(connection, principal.workspace_id, key)
    if row is None:
        raise NotFoundError("There is no such API key.")
    return row


def require_own_role(principal: Principal, role: Role) -> None:
    """Raise `ForbiddenError` for a role that is higher than the caller's own."""
    if not principal.role.allows(role):
        raise ForbiddenError(f"You are {principal.role}, and cannot make anybody {role}.")


def require_lasting_admin(
    connection: Connection, principal: Principal, issuers: Collection[str]
) -> None:
    """Raise `ConflictError` (last_admin) if a change left nobody who can administer the workspace.

    Called after the change, in its transaction. Of people, only those of `issuers` count: nobody
    else's tokens are taken.
    """
    if not has_lasting_admin(connection, principal.workspace_id, issuers):
        raise ConflictError(
            "This is the workspace's last admin: make another key or member an admin first.",
            code="last_admin",
        )


def _require_future(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise InvalidInputError(
            Problem(
                "expires_at",
                "expires_at_passed",
                "it has passed",
                "Use an instant to come, or null for a key without an end.",
            )
        )


def _require_room(connection: Connection, workspace_id: int) -> None:
    if count_live_keys(connection, workspace_id) >= MAX_KEYS:
        raise ConflictError(
            f"This workspace has {MAX_KEYS} API keys, the most that it may have: revoke those that"
            " are not used.",
            code="too_many_keys",
        )


def _ends_sooner(before: datetime | None, after: datetime | None) -> bool:
    return after is not None and (before is None or after < before)


def _append(
    connection: Connection, principal: Principal, action: str, before: Row | None, after: Row
) -> None:
    append_change(connection, principal, _change(action, before, after))


def _change(action: str, before: Mapping[str, Any] | Row | None, after: Row) -> Change:
    return Change(
        action,
        ObjectKind.API_KEY,
        id=after["public_id"],
        name=after["name"],
        before=None if before is None else {name: before[name] for name in _TOLD},
        after={name: after[name] for name in _TOLD},
    )
