"""Connectors and their sealed secrets."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from shared.store.rows import Row
from shared.store.tables import connector_credential, workspace_connector

_PUBLIC = (
    workspace_connector.c.id,
    workspace_connector.c.public_id,
    workspace_connector.c.connector_type,
    workspace_connector.c.name,
    workspace_connector.c.config,
    workspace_connector.c.status,
    workspace_connector.c.health,
    workspace_connector.c.health_reason,
    workspace_connector.c.created_at,
    workspace_connector.c.updated_at,
)


def insert_connector(connection: Connection, values: dict[str, Any]) -> Row:
    """Insert a connector and return what the API shows of it."""
    query = insert(workspace_connector).values(values).returning(*_PUBLIC)
    return connection.execute(query).mappings().one()


def insert_credential(
    connection: Connection,
    workspace_id: int,
    connector_id: int,
    *,
    ciphertext: bytes,
    nonce: bytes,
    wrapped_key: bytes,
    key_version: str,
) -> None:
    """Store a connector's sealed secrets."""
    connection.execute(
        insert(connector_credential).values(
            workspace_id=workspace_id,
            connector_id=connector_id,
            ciphertext=ciphertext,
            nonce=nonce,
            wrapped_key=wrapped_key,
            key_version=key_version,
        )
    )


def find_connector(connection: Connection, workspace_id: int, public_id: object) -> Row | None:
    """Return one live connector of a workspace."""
    return connection.execute(_one(workspace_id, public_id)).mappings().one_or_none()


def lock_connector(connection: Connection, workspace_id: int, public_id: object) -> Row | None:
    """Return one live connector of a workspace, held until the transaction ends."""
    query = _one(workspace_id, public_id).with_for_update(key_share=True)
    return connection.execute(query).mappings().one_or_none()


def update_connector(connection: Connection, connector_id: int, values: dict[str, Any]) -> Row:
    """Change some columns of a connector and return what the API shows of it."""
    query = update(workspace_connector).where(workspace_connector.c.id == connector_id)
    return connection.execute(query.values(values).returning(*_PUBLIC)).mappings().one()


def delete_credential(connection: Connection, connector_id: int) -> None:
    """Destroy a connector's sealed secrets."""
    query = delete(connector_credential).where(connector_credential.c.connector_id == connector_id)
    connection.execute(query)


def delete_credentials(connection: Connection, workspace_id: int) -> None:
    """Destroy the sealed secrets of all connectors of a workspace."""
    query = delete(connector_credential).where(connector_credential.c.workspace_id == workspace_id)
    connection.execute(query)


def list_connectors(
    connection: Connection, workspace_id: int, *, after_id: int, limit: int
) -> Sequence[Row]:
    """Return up to `limit` live connectors of a workspace after an internal key, oldest first."""
    query = (
        select(*_PUBLIC)
        .where(workspace_connector.c.workspace_id == workspace_id)
        .where(workspace_connector.c.deleted_at.is_(None))
        .where(workspace_connector.c.id > after_id)
        .order_by(workspace_connector.c.id)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def _one(workspace_id: int, public_id: object) -> Select[*tuple[Any, ...]]:
    return (
        select(*_PUBLIC)
        .where(workspace_connector.c.workspace_id == workspace_id)
        .where(workspace_connector.c.public_id == public_id)
        .where(workspace_connector.c.deleted_at.is_(None))
    )
