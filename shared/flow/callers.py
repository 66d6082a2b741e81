"""Who calls: a key or a person, for which workspace, and as what."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from shared.domain.access import Principal, Role
from shared.domain.api_keys import ApiKey
from shared.domain.audit import Actor, ActorKind, Change, ObjectKind, Origin
from shared.domain.members import Identity
from shared.domain.workspace import WorkspaceState, require_active
from shared.errors import CredentialsError, ForbiddenError, InvalidInputError, Problem
from shared.flow.audit import append_change
from shared.store.callers import (
    find_key_caller,
    find_key_holder,
    find_memberships,
    note_key_used,
    note_member_used,
)
from shared.store.engine import single_statements
from shared.store.members import join_member, was_removed_since
from shared.store.rows import Row
from shared.store.tenancy import identified, presenting, speaking_for
from shared.store.violations import violation_of
from shared.store.workspaces import lock_workspace, state_of

CHOICE = "Syncline-Workspace"
"""The header in which a caller names their workspace, by its public id."""


@dataclass(frozen=True, slots=True)
class Home:
    """A workspace of a caller, by its public id, and the role that they have or would have there.

    Nobody joined by what is an invitation only.
    """

    id: UUID
    slug: str
    name: str
    role: Role
    is_joined: bool
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whose an API key is, and the code of why it opens nothing; None if it is a live one.

    A code of its own: callers who change such a key are refused too, by another one.
    """

    workspace_id: int
    actor: Actor
    shut_out: str | None


def caller_of_key(engine: Engine, key: ApiKey, wanted: UUID | None, origin: Origin) -> Principal:
    """Return the principal of an API key; `wanted` is the workspace that the caller names, if any.

    Raises `CredentialsError`, `ForbiddenError` (not_a_member) for a key of another workspace, and
    as `require_active`.
    """
    return _principal(_row_of_key(engine, key, wanted), ActorKind.API_KEY, origin)


def caller_of_token(
    engine: Engine, identity: Identity, wanted: UUID | None, origin: Origin
) -> Principal:
    """Return the principal of a person, in the workspace that they name or the one they joined.

    Naming a workspace to which the verified address is invited joins it: from then on the person
    is known by issuer and subject alone. Nobody joins a workspace that they did not name, and no
    invitation changes what their requests without a name mean.

    Raises `ForbiddenError` (not_a_member, invitation_open), `InvalidInputError`
    (workspace_needed) if there are several, and as `require_active`.
    """
    row = _find(engine, identity, wanted)
    principal = _principal(row, ActorKind.MEMBER, origin)
    if row["joined_at"] is None:
        _join(engine, principal, row, identity)
        # As it is now: another request of theirs may have joined, and an admin may have changed
        # the invitation or taken it back.
        row = _find(engine, identity, wanted)
        if row["joined_at"] is None:
            raise _not_a_member()
        principal = _principal(row, ActorKind.MEMBER, origin)
    elif row["is_noting_due"]:
        with single_statements(speaking_for(engine, row["workspace_id"])) as connection:
            note_member_used(connection, row["id"])
    return principal


def holder_of_key(engine: Engine, key: ApiKey, origin: Origin) -> KeyHolder | None:
    """Return whose an API key is or was, for the log of what it was refused; it opens nothing.

    None if nobody knows it, or if its workspace was deleted.
    """
    with single_statements(presenting(engine, key.secret_hash)) as connection:
        row = find_key_holder(connection, key)
    if row is None:
        return None
    actor = Actor(ActorKind.API_KEY, row["name"], row["public_id"], origin)
    if row["revoked_at"] is not None:
        return KeyHolder(row["workspace_id"], actor, "own_key_revoked")
    return KeyHolder(row["workspace_id"], actor, "own_key_expired" if row["is_expired"] else None)


def home_of_key(engine: Engine, key: ApiKey) -> Home:
    """Return the workspace of an API key; raise as `caller_of_key`."""
    return _home(_row_of_key(engine, key, None), is_joined=True)


def homes_of_token(engine: Engine, identity: Identity) -> list[Home]:
    """Return the workspaces that a person joined or may join, up to `MOST_MEMBERSHIPS`.

    Joins none, and says nothing of deleted ones; who is a member of nothing has none.
    """
    with single_statements(identified(engine, identity)) as connection:
        rows = find_memberships(connection, identity, None)
    joined = {row["workspace_public_id"] for row in rows if row["joined_at"] is not None}
    return [
        _home(row, is_joined=row["joined_at"] is not None)
        for row in rows
        if row["joined_at"] is not None or row["workspace_public_id"] not in joined
    ]


def _row_of_key(engine: Engine, key: ApiKey, wanted: UUID | None) -> Row:
    with single_statements(presenting(engine, key.secret_hash)) as connection:
        row = find_key_caller(connection, key)
    if row is None:
        raise CredentialsError("The API key is unknown, expired or revoked: ask an admin for one.")
    require_active(state_of(row))
    if wanted is not None and wanted != row["workspace_public_id"]:
        raise _not_a_member()
    if row["is_noting_due"]:
        with single_statements(speaking_for(engine, row["workspace_id"])) as connection:
            note_key_used(connection, row["id"])
    return row


def _find(engine: Engine, identity: Identity, wanted: UUID | None) -> Row:
    with single_statements(identified(engine, identity)) as connection:
        row = _chosen(find_memberships(connection, identity, wanted), wanted)
    require_active(state_of(row))
    return row


def _chosen(found: Sequence[Row], wanted: UUID | None) -> Row:
    if not found:
        raise _not_a_member()
    joined = [row for row in found if row["joined_at"] is not None]
    if wanted is not None:
        return (joined or found)[0]
    if not joined:
        raise ForbiddenError(
            "You are invited to a workspace and have joined none: send the id of the one that you"
            f" mean to join in the header {CHOICE}. Who invited you knows it.",
            code="invitation_open",
        )
    if len(joined) > 1:
        raise InvalidInputError(
            Problem(
                CHOICE,
                "workspace_needed",
                "it is missing, and you are a member of several workspaces",
                "Send the id of the workspace that you mean.",
            )
        )
    return joined[0]


def _home(row: Row, *, is_joined: bool) -> Home:
    return Home(
        row["workspace_public_id"],
        row["workspace_slug"],
        row["workspace_name"],
        Role(row["role"]),
        is_joined=is_joined,
        is_disabled=state_of(row) is WorkspaceState.DISABLED,
    )


def _join(engine: Engine, principal: Principal, row: Row, identity: Identity) -> None:
    """Accept an invitation, if it is still open."""
    try:
        with speaking_for(engine, principal.workspace_id).begin() as connection:
            # Before anything is held: who was removed may ask as often as they like.
            if was_removed_since(connection, row["id"], identity):
                return
            lock_workspace(connection, principal.workspace_id)
            joined = join_member(connection, row["id"], identity)
            if joined is not None:
                change = Change(
                    "join_workspace",
                    ObjectKind.MEMBER,
                    id=row["public_id"],
                    name=row["name"],
                    before={"joined_at": None},
                    after={"joined_at": joined["joined_at"]},
                )
                append_change(connection, principal, change)
    except IntegrityError as error:
        # They joined by an invitation to another address of theirs at the same moment.
        if violation_of(error).constraint != "one_member_per_person":
            raise


def _principal(row: Row, kind: ActorKind, origin: Origin) -> Principal:
    return Principal(
        workspace_id=row["workspace_id"],
        workspace_timezone=row["timezone"],
        minimum_interval_seconds=row["minimum_interval_seconds"],
        role=Role(row["role"]),
        cursor_key=row["cursor_key"],
        actor=Actor(kind, row["name"], row["public_id"], origin),
    )


def _not_a_member() -> ForbiddenError:
    return ForbiddenError(
        "You are no member of this workspace, or of any: ask one of its admins to invite you by the"
        " address that your issuer has verified.",
        code="not_a_member",
    )
