"""Who calls, found before it is known whose they are: keys by their secret, people by their token.

One statement finds a caller with the workspace that it speaks for; nothing of it is kept, so that
whoever is shut out is so at the next request of any instance.
"""

import hmac
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    func,
    or_,
    select,
    update,
)

from shared.domain.api_keys import ApiKey
from shared.domain.members import INVITATION_LIFE, Identity
from shared.store.rows import Row
from shared.store.tables import api_key, member, workspace

MOST_MEMBERSHIPS = 100
"""How many memberships of one person are looked at."""
_NOTED_EVERY = timedelta(minutes=1)

_WORKSPACE = (
    workspace.c.public_id.label("workspace_public_id"),
    workspace.c.slug.label("workspace_slug"),
    workspace.c.name.label("workspace_name"),
    workspace.c.timezone,
    workspace.c.minimum_interval_seconds,
    workspace.c.cursor_key,
    workspace.c.disabled_at,
    workspace.c.deleted_at,
)


def find_key_caller(connection: Connection, key: ApiKey) -> Row | None:
    """Return a key and its workspace; None if it is unknown, wrong, expired or revoked.

    The connection is of `presenting(engine, key.secret_hash)`.
    """
    return _find_key(connection, key, is_live_key())


def find_key_holder(connection: Connection, key: ApiKey) -> Row | None:
    """Return a key as it is or was, with `revoked_at` and `is_expired`.

    None if it is unknown or wrong, or its workspace was deleted. The connection is of
    `presenting(engine, key.secret_hash)`. It opens nothing: it is for the audit log.
    """
    return _find_key(connection, key, workspace.c.deleted_at.is_(None))


def find_memberships(
    connection: Connection, identity: Identity, wanted: UUID | None
) -> Sequence[Row]:
    """Return the memberships of a person and their open invitations, the joined ones first.

    Those of one workspace if `wanted` names it; none of a workspace that was deleted. The
    connection is of `identified(engine, identity)`.
    """
    is_joined = member.c.subject == identity.subject
    is_invited = and_(is_open_invitation(), member.c.email == identity.email)
    query = (
        select(*_who(member), member.c.joined_at, *_WORKSPACE)
        .join(workspace, workspace.c.id == member.c.workspace_id)
        .where(member.c.issuer == identity.issuer)
        .where(is_joined if identity.email is None else or_(is_joined, is_invited))
        .where(member.c.removed_at.is_(None))
        .where(workspace.c.deleted_at.is_(None))
    )
    if wanted is not None:
        query = query.where(workspace.c.public_id == wanted)
    ordered = query.order_by(member.c.joined_at.asc().nulls_last(), member.c.id)
    return connection.execute(ordered.limit(MOST_MEMBERSHIPS)).mappings().all()


def note_key_used(connection: Connection, key_id: int) -> None:
    """Move a key's `last_used_at`; whoever comes at the same moment leaves it to the first."""
    _note_used(connection, api_key, key_id)


def note_member_used(connection: Connection, member_id: int) -> None:
    """Move a member's `last_used_at` alike."""
    _note_used(connection, member, member_id)


def is_live_key() -> ColumnElement[bool]:
    """Return the condition that a key opens anything."""
    return and_(
        api_key.c.revoked_at.is_(None),
        or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > func.now()),
    )


def is_open_invitation() -> ColumnElement[bool]:
    """Return the condition that nobody joined by an invitation yet, and that it did not end."""
    return and_(member.c.subject.is_(None), member.c.invited_at > func.now() - INVITATION_LIFE)


def _find_key(connection: Connection, key: ApiKey, condition: ColumnElement[bool]) -> Row | None:
    query = (
        select(
            *_who(api_key),
            api_key.c.secret_hash,
            api_key.c.revoked_at,
            (api_key.c.expires_at <= func.now()).label("is_expired"),
            *_WORKSPACE,
        )
        .join(workspace, workspace.c.id == api_key.c.workspace_id)
        .where(api_key.c.prefix == key.prefix)
        .where(condition)
    )
    row = connection.execute(query).mappings().one_or_none()
    if row is None or not hmac.compare_digest(row["secret_hash"], key.secret_hash):
        return None
    return row


def _who(table: Table) -> tuple[ColumnElement[Any], ...]:
    return (
        table.c.id,
        table.c.public_id,
        table.c.name,
        table.c.workspace_id,
        table.c.role,
        _is_noting_due(table).label("is_noting_due"),
    )


def _is_noting_due(table: Table) -> ColumnElement[bool]:
    used = table.c.last_used_at
    return or_(used.is_(None), used < func.now() - _NOTED_EVERY)


def _note_used(connection: Connection, table: Table, row_id: int) -> None:
    due = select(table.c.id).where(table.c.id == row_id).where(_is_noting_due(table))
    free = due.with_for_update(skip_locked=True).scalar_subquery()
    connection.execute(update(table).where(table.c.id == free).values(last_used_at=func.now()))
