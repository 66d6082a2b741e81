"""Who administers a workspace: keys and people, counted together."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from shared.domain.access import Role
from shared.domain.audit import Actor, ActorKind
from shared.store.callers import is_live_key
from shared.store.tables import api_key, member


def has_lasting_admin(connection: Connection, workspace_id: int, issuers: Collection[str]) -> bool:
    """Tell whether a workspace has an admin: a key without an end, or somebody who joined it.

    A key that ends by itself would leave nobody who can make another. Of people, only those of
    `issuers` count, whose tokens the deployment takes.
    """
    keys = (
        select(api_key.c.id)
        .where(api_key.c.workspace_id == workspace_id)
        .where(api_key.c.role == Role.ADMIN)
        .where(is_live_key())
        .where(api_key.c.expires_at.is_(None))
    )
    people = (
        select(member.c.id)
        .where(member.c.workspace_id == workspace_id)
        .where(member.c.role == Role.ADMIN)
        .where(member.c.issuer.in_(list(issuers)))
        .where(member.c.joined_at.is_not(None))
        .where(member.c.removed_at.is_(None))
    )
    return connection.execute(select(keys.exists() | people.exists())).scalar_one()


def has_standing(
    connection: Connection, workspace_id: int, actor: Actor, roles: Collection[Role]
) -> bool:
    """Tell whether a key or a member is still one of the workspace, and has one of these roles."""
    if actor.kind is ActorKind.API_KEY:
        query = select(api_key.c.id).where(is_live_key())
        table = api_key
    else:
        query = select(member.c.id).where(member.c.removed_at.is_(None))
        table = member
    query = (
        query.where(table.c.workspace_id == workspace_id)
        .where(table.c.public_id == actor.id)
        .where(table.c.role.in_(list(roles)))
    )
    return connection.execute(query).one_or_none() is not None
