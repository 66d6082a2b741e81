"""API keys of a workspace: made, shown without their secret, changed and revoked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, func, insert, select, update

from shared.domain.api_keys import ApiKey
from shared.store.callers import is_live_key
from shared.store.rows import Row
from shared.store.tables import api_key

_SHOWN = (
    api_key.c.id,
    api_key.c.public_id,
    api_key.c.name,
    api_key.c.prefix,
    api_key.c.role,
    api_key.c.version,
    api_key.c.created_by,
    api_key.c.created_by_id,
    api_key.c.created_at,
    api_key.c.expires_at,
    api_key.c.last_used_at,
    api_key.c.revoked_at,
)


def insert_api_key(
    connection: Connection, workspace_id: int, key: ApiKey, values: dict[str, Any]
) -> Row:
    """Store a key's prefix and hash with `values`, which are columns; return what is shown."""
    stored = {
        "workspace_id": workspace_id,
        "prefix": key.prefix,
        "secret_hash": key.secret_hash,
        **values,
    }
    query = insert(api_key).values(stored).returning(*_SHOWN)
    return connection.execute(query).mappings().one()


def find_api_key(connection: Connection, workspace_id: int, public_id: UUID) -> Row | None:
    """Return what is shown of a key, revoked or not."""
    query = _shown(workspace_id).where(api_key.c.public_id == public_id)
    return connection.execute(query).mappings().one_or_none()


def list_api_keys(
    connection: Connection,
    workspace_id: int,
    *,
    made_by: UUID | None = None,
    after_id: int,
    limit: int,
) -> Sequence[Row]:
    """Return up to `limit` keys after an internal key, oldest first; those of one maker, or all."""
    query = _shown(workspace_id).where(api_key.c.id > after_id)
    if made_by is not None:
        query = query.where(api_key.c.created_by_id == made_by)
    return connection.execute(query.order_by(api_key.c.id).limit(limit)).mappings().all()


def count_live_keys(connection: Connection, workspace_id: int) -> int:
    """Return how many keys of a workspace open it."""
    query = select(func.count()).where(api_key.c.workspace_id == workspace_id, is_live_key())
    return connection.execute(query).scalar_one()


def update_api_key(connection: Connection, key_id: int, values: dict[str, Any]) -> Row:
    """Change some columns of a key, as a new version of it; return what is shown."""
    query = (
        update(api_key)
        .where(api_key.c.id == key_id)
        .values(version=api_key.c.version + 1, **values)
        .returning(*_SHOWN)
    )
    return connection.execute(query).mappings().one()


def revoke_keys_made_by(
    connection: Connection, workspace_id: int, maker: UUID, *, at: datetime
) -> Sequence[Row]:
    """Revoke the live keys that a member or key made; return what is shown of them."""
    query = (
        update(api_key)
        .where(api_key.c.workspace_id == workspace_id)
        .where(api_key.c.created_by_id == maker)
        .where(is_live_key())
        .values(revoked_at=at, version=api_key.c.version + 1)
        .returning(*_SHOWN)
    )
    return connection.execute(query).mappings().all()


def _shown(workspace_id: int) -> Select[*tuple[Any, ...]]:
    return select(*_SHOWN).where(api_key.c.workspace_id == workspace_id)
