"""Members of a workspace, invited, changed and removed by its admins."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from shared.domain.access import Principal, Role
from shared.domain.audit import Change, ObjectKind
from shared.domain.members import require_email
from shared.errors import ConflictError, InvalidInputError, NotFoundError, Problem
from shared.flow.api_keys import require_lasting_admin, require_own_role, revoke_keys_of
from shared.flow.premises import Premise, any_state
from shared.flow.standing import lock_for_admin
from shared.store.audit import append_audit
from shared.store.members import (
    count_members,
    find_invitation,
    find_member,
    insert_member,
    take_back_invitation,
    update_member,
)
from shared.store.rows import Row
from shared.store.ticks import as_of
from shared.store.violations import violation_of

MAX_MEMBERS = 1_000
"""Of one workspace, with those that are invited."""
_REMOVAL = "remove_member"
_TOLD = ("email", "issuer", "name", "role")


def invite_member(
    engine: Engine,
    principal: Principal,
    issuers: Collection[str],
    *,
    email: str,
    role: Role,
    name: str | None = None,
    issuer: str | None = None,
    public_id: UUID | None = None,
) -> Row:
    """Invite a person by an address, with a role up to the caller's own.

    `issuers` are those of the deployment, of which `issuer` is one; it may be left out where there
    is only one. Whoever is invited again gets another invitation in the place of the one before,
    with a life of its own. Given a `public_id` that it has already, it was made before and is
    returned, whatever became of it. Raises `InvalidInputError`, `ForbiddenError`, `ConflictError`
    (no_issuers, member_exists, too_many_members).
    """
    require_own_role(principal, role)
    address, vouching = require_email(email), _issuer_of(issuers, issuer)
    values: dict[str, Any] = {
        "workspace_id": principal.workspace_id,
        "issuer": vouching,
        "email": address,
        "name": name or address,
        "role": role,
        "invited_by": principal.actor.name,
        "invited_by_id": principal.actor.id,
    }
    if public_id is not None:
        values["public_id"] = public_id
    try:
        with engine.begin() as connection:
            lock_for_admin(connection, principal)
            made = public_id and find_invitation(connection, principal.workspace_id, public_id)
            if made:
                return made
            # Not when the transaction began: it may have waited for somebody's removal.
            at = as_of(connection, None)
            before = take_back_invitation(
                connection, principal.workspace_id, vouching, address, at=at
            )
            _require_room(connection, principal.workspace_id)
            row = insert_member(connection, {**values, "invited_at": at})
            changes = [] if before is None else [_change(_REMOVAL, before, before)]
            _append(connection, principal, *changes, _change("invite_member", None, row))
    except IntegrityError as error:
        if violation_of(error).constraint == "one_member_per_address":
            raise ConflictError(
                "There is a member with this address already, or one who had it when they joined:"
                " remove that one first.",
                code="member_exists",
            ) from error
        raise
    return row


def change_member(
    engine: Engine,
    principal: Principal,
    issuers: Collection[str],
    member: UUID,
    changes: Mapping[str, Any],
    *,
    premise: Premise = any_state,
) -> Row:
    """Change name or role of a member; what changes nothing is no change.

    `issuers` are those of the deployment, whose people count as admins. Raises `NotFoundError`,
    `ForbiddenError`, `ConflictError` (last_admin), or what `premise` raises.
    """
    if "role" in changes:
        require_own_role(principal, changes["role"])
    with engine.begin() as connection:
        lock_for_admin(connection, principal)
        before = require_member(connection, principal, member)
        premise(before)
        touched = {name: value for name, value in changes.items() if before[name] != value}
        if not touched:
            return before
        row = update_member(connection, before["id"], touched)
        if "role" in touched and _is_admin(before):
            require_lasting_admin(connection, principal, issuers)
        _append(connection, principal, _change("change_member", before, row))
        return row


def remove_member(
    engine: Engine,
    principal: Principal,
    issuers: Collection[str],
    member: UUID,
    *,
    is_revoking_keys: bool = False,
    premise: Premise = any_state,
) -> None:
    """Remove a member or take an invitation back: their next request is refused.

    Who comes back is invited anew: what they were invited to before, by whichever address, joins
    them no more. `is_revoking_keys` revokes the keys that they made, too. `issuers` are those of
    the deployment, whose people count as admins. Raises `NotFoundError`, `ConflictError`
    (last_admin), or what `premise` raises.
    """
    with engine.begin() as connection:
        lock_for_admin(connection, principal)
        before = require_member(connection, principal, member)
        premise(before)
        at = as_of(connection, None)
        row = update_member(connection, before["id"], {"removed_at": at})
        keys, changes = (
            revoke_keys_of(connection, principal, member, at=at) if is_revoking_keys else ((), ())
        )
        if _is_admin(before) or any(key["role"] == Role.ADMIN for key in keys):
            require_lasting_admin(connection, principal, issuers)
        _append(connection, principal, *changes, _change(_REMOVAL, before, row))


def require_member(connection: Connection, principal: Principal, member: UUID) -> Row:
    """Return a member of the caller's workspace; raise `NotFoundError` if there is none."""
    row = find_member(connection, principal.workspace_id, member)
    if row is None:
        raise NotFoundError("There is no such member.")
    return row


def _issuer_of(issuers: Collection[str], wanted: str | None) -> str:
    if not issuers:
        raise ConflictError(
            "This deployment takes no tokens of people: whoever runs it sets SYNCLINE_OIDC_ISSUERS"
            " first.",
            code="no_issuers",
        )
    if wanted is None and len(issuers) == 1:
        return next(iter(issuers))
    if wanted is None or wanted not in issuers:
        reason = "it is missing" if wanted is None else "this deployment does not know it"
        listed = ", ".join(sorted(issuers))
        raise InvalidInputError(
            Problem("issuer", "issuer_unknown", reason, f"Use one of these: {listed}.")
        )
    return wanted


def _require_room(connection: Connection, workspace_id: int) -> None:
    if count_members(connection, workspace_id) >= MAX_MEMBERS:
        raise ConflictError(
            f"This workspace has {MAX_MEMBERS} members, the most that it may have: remove those"
            " that left.",
            code="too_many_members",
        )


def _is_admin(row: Row) -> bool:
    return row["role"] == Role.ADMIN and row["joined_at"] is not None


def _append(connection: Connection, principal: Principal, *changes: Change) -> None:
    append_audit(connection, principal.workspace_id, principal.actor, *changes)


def _change(action: str, before: Row | None, after: Row) -> Change:
    """Return a change for the log; `after` is the last that is known of who is removed."""
    return Change(
        action,
        ObjectKind.MEMBER,
        id=after["public_id"],
        name=after["name"],
        before=None if before is None else {name: before[name] for name in _TOLD},
        after=None if action == _REMOVAL else {name: after[name] for name in _TOLD},
    )
