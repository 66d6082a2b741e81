"""Members of a workspace: invited, joined, changed and removed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, func, insert, select, update

from shared.domain.members import Identity
from shared.store.callers import is_open_invitation
from shared.store.rows import Row
from shared.store.tables import member

_SHOWN = (
    member.c.id,
    member.c.public_id,
    member.c.issuer,
    member.c.email,
    member.c.name,
    member.c.role,
    member.c.version,
    member.c.invited_by,
    member.c.invited_by_id,
    member.c.invited_at,
    member.c.joined_at,
    member.c.last_used_at,
)


def insert_member(connection: Connection, values: dict[str, Any]) -> Row:
    """Insert an invitation; return what is shown."""
    query = insert(member).values(values).returning(*_SHOWN)
    return connection.execute(query).mappings().one()


def find_member(connection: Connection, workspace_id: int, public_id: UUID) -> Row | None:
    """Return what is shown of a member who was not removed."""
    query = _shown(workspace_id).where(member.c.public_id == public_id)
    return connection.execute(query).mappings().one_or_none()


def find_invitation(connection: Connection, workspace_id: int, public_id: UUID) -> Row | None:
    """Return what is shown of a member, also of one who was removed since."""
    query = (
        select(*_SHOWN)
        .where(member.c.workspace_id == workspace_id)
        .where(member.c.public_id == public_id)
    )
    return connection.execute(query).mappings().one_or_none()


def list_members(
    connection: Connection, workspace_id: int, *, after_id: int, limit: int
) -> Sequence[Row]:
    """Return up to `limit` members after an internal key, those invited first first."""
    query = _shown(workspace_id).where(member.c.id > after_id)
    return connection.execute(query.order_by(member.c.id).limit(limit)).mappings().all()


def count_members(connection: Connection, workspace_id: int) -> int:
    """Return how many people are members or invited."""
    query = (
        select(func.count())
        .where(member.c.workspace_id == workspace_id)
        .where(member.c.removed_at.is_(None))
    )
    return connection.execute(query).scalar_one()


def update_member(connection: Connection, member_id: int, values: dict[str, Any]) -> Row:
    """Change some columns of a member, as a new version of it; return what is shown."""
    query = (
        update(member)
        .where(member.c.id == member_id)
        .values(version=member.c.version + 1, **values)
        .returning(*_SHOWN)
    )
    return connection.execute(query).mappings().one()


def take_back_invitation(
    connection: Connection, workspace_id: int, issuer: str, email: str, *, at: datetime
) -> Row | None:
    """Remove the invitation of an address, ended or not; None if nobody has it or who has joined.

    Returns what is shown of it.
    """
    query = (
        update(member)
        .where(member.c.workspace_id == workspace_id)
        .where(member.c.issuer == issuer)
        .where(member.c.email == email)
        .where(member.c.removed_at.is_(None))
        .where(member.c.subject.is_(None))
        .values(removed_at=at, version=member.c.version + 1)
        .returning(*_SHOWN)
    )
    return connection.execute(query).mappings().one_or_none()


def was_removed_since(connection: Connection, member_id: int, identity: Identity) -> bool:
    """Tell whether a person was removed after an invitation, which then joins them no more."""
    query = select(_removals_since(identity).exists()).where(member.c.id == member_id)
    return connection.execute(query).scalar() is True


def join_member(connection: Connection, member_id: int, identity: Identity) -> Row | None:
    """Bind an invitation to whom it is for; None if it is not theirs, or not open any more.

    Who was removed comes back by an invitation that was made after that alone, whichever of their
    addresses an older one names. The caller holds the workspace, so that nobody is removed
    meanwhile.
    """
    query = (
        update(member)
        .where(member.c.id == member_id)
        .where(member.c.removed_at.is_(None))
        .where(is_open_invitation())
        .where(member.c.issuer == identity.issuer)
        .where(member.c.email == identity.email)
        .where(~_removals_since(identity).exists())
        .values(subject=identity.subject, joined_at=func.now(), version=member.c.version + 1)
        .returning(*_SHOWN)
    )
    return connection.execute(query).mappings().one_or_none()


def _shown(workspace_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(*_SHOWN)
        .where(member.c.workspace_id == workspace_id)
        .where(member.c.removed_at.is_(None))
    )


def _removals_since(identity: Identity) -> Select[tuple[int]]:
    """Select the removals of a person from the workspace of an invitation, after it was made."""
    gone = member.alias()
    return (
        select(gone.c.id)
        .where(gone.c.workspace_id == member.c.workspace_id)
        .where(gone.c.issuer == identity.issuer)
        .where(gone.c.subject == identity.subject)
        .where(gone.c.removed_at >= member.c.invited_at)
    )
