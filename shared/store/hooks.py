"""Webhook endpoints, and the messages that come to them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, delete, func, insert, select, tuple_, update

from shared.domain.unread import LOOK_AFTER
from shared.store.rows import Row
from shared.store.sql import load_sql
from shared.store.tables import (
    sync_schedule,
    webhook_delivery,
    webhook_endpoint,
    workspace_connector,
)

_SEALED = (
    webhook_endpoint.c.ciphertext,
    webhook_endpoint.c.nonce,
    webhook_endpoint.c.wrapped_key,
    webhook_endpoint.c.key_version,
)
_SHOWN = (
    webhook_endpoint.c.id,
    webhook_endpoint.c.public_id,
    webhook_endpoint.c.workspace_id,
    workspace_connector.c.public_id.label("connector_public_id"),
    webhook_endpoint.c.name,
    webhook_endpoint.c.scheme,
    webhook_endpoint.c.secret_header,
    webhook_endpoint.c.previous_until,
    webhook_endpoint.c.oldest_until,
    webhook_endpoint.c.rotated_at,
    webhook_endpoint.c.last_used_at,
    webhook_endpoint.c.version,
    webhook_endpoint.c.created_at,
)


def find_addressed(connection: Connection, endpoint: UUID) -> Row | None:
    """Return an endpoint with its sealed secrets, before it is known who calls."""
    query = select(
        webhook_endpoint.c.id,
        webhook_endpoint.c.public_id,
        webhook_endpoint.c.workspace_id,
        webhook_endpoint.c.scheme,
        webhook_endpoint.c.secret_header,
        webhook_endpoint.c.previous_until,
        webhook_endpoint.c.oldest_until,
        func.statement_timestamp().label("as_of"),
        *_SEALED,
    ).where(webhook_endpoint.c.public_id == endpoint)
    return connection.execute(query).mappings().one_or_none()


def take_hook(
    connection: Connection,
    endpoint_id: int,
    message_hash: bytes | None,
    *,
    per_minute: int,
    remembered: timedelta,
    now: datetime | None,
) -> Row | None:
    """Spend of an endpoint's rate, remember a message, note that something is unread.

    Returns what there is to start; None if the endpoint, its connector or its workspace is gone.
    """
    parameters = {
        "endpoint_id": endpoint_id,
        "message_hash": message_hash,
        "per_minute": per_minute,
        "remembered": remembered,
        "look_after": LOOK_AFTER,
        "now": now,
    }
    return connection.execute(load_sql("take_hook"), parameters).mappings().one_or_none()


def prune_deliveries(connection: Connection, *, now: datetime, page: int) -> int:
    """Forget up to `page` messages of which no copy can come any more; return how many."""
    key = tuple_(webhook_delivery.c.endpoint_id, webhook_delivery.c.message_hash)
    over = (
        select(webhook_delivery.c.endpoint_id, webhook_delivery.c.message_hash)
        .where(webhook_delivery.c.expires_at <= now)
        .order_by(webhook_delivery.c.expires_at)
        .limit(page)
        .with_for_update(skip_locked=True)
    )
    return connection.execute(delete(webhook_delivery).where(key.in_(over))).rowcount


def insert_endpoint(connection: Connection, values: dict[str, Any]) -> None:
    """Insert an endpoint with its sealed secret."""
    connection.execute(insert(webhook_endpoint).values(values))


def find_endpoint(connection: Connection, workspace_id: int, endpoint: UUID) -> Row | None:
    """Return what the API shows of an endpoint whose connector is there."""
    query = _shown(workspace_id).where(webhook_endpoint.c.public_id == endpoint)
    return connection.execute(query).mappings().one_or_none()


def find_sealed_endpoint(connection: Connection, workspace_id: int, endpoint: UUID) -> Row | None:
    """Return an endpoint with its sealed secrets."""
    return connection.execute(_sealed(workspace_id, endpoint)).mappings().one_or_none()


def lock_endpoint(connection: Connection, workspace_id: int, endpoint: UUID) -> Row | None:
    """Return the same, held until the transaction ends."""
    query = _sealed(workspace_id, endpoint).with_for_update(of=webhook_endpoint)
    return connection.execute(query).mappings().one_or_none()


def list_endpoints(
    connection: Connection,
    workspace_id: int,
    *,
    connector: UUID | None,
    after_id: int,
    limit: int,
) -> Sequence[Row]:
    """Return up to `limit` endpoints after an internal key, oldest first."""
    query = _shown(workspace_id).where(webhook_endpoint.c.id > after_id)
    if connector is not None:
        query = query.where(workspace_connector.c.public_id == connector)
    return connection.execute(query.order_by(webhook_endpoint.c.id).limit(limit)).mappings().all()


def count_endpoints(connection: Connection, connector_id: int) -> int:
    """Return how many endpoints a connector has."""
    query = select(func.count()).where(webhook_endpoint.c.connector_id == connector_id)
    return connection.execute(query).scalar_one()


def update_endpoint(connection: Connection, endpoint_id: int, values: dict[str, Any]) -> None:
    """Change what people set of an endpoint."""
    newer = {**values, "version": webhook_endpoint.c.version + 1}
    connection.execute(
        update(webhook_endpoint).where(webhook_endpoint.c.id == endpoint_id).values(newer)
    )


def delete_endpoint(connection: Connection, endpoint_id: int) -> None:
    """Delete an endpoint with its secrets and messages."""
    connection.execute(delete(webhook_endpoint).where(webhook_endpoint.c.id == endpoint_id))


def delete_endpoints_of(connection: Connection, connector_id: int) -> None:
    """Delete the endpoints of a connector with their secrets."""
    query = delete(webhook_endpoint).where(webhook_endpoint.c.connector_id == connector_id)
    connection.execute(query)


def delete_endpoints_of_workspace(connection: Connection, workspace_id: int) -> None:
    """Delete the endpoints of all connectors of a workspace with their secrets."""
    query = delete(webhook_endpoint).where(webhook_endpoint.c.workspace_id == workspace_id)
    connection.execute(query)


def find_frequency(connection: Connection, connector_id: int) -> str | None:
    """Return the frequency of a connector's schedule, or None if it has none."""
    query = select(sync_schedule.c.frequency).where(sync_schedule.c.connector_id == connector_id)
    return connection.execute(query).scalar_one_or_none()


def lagging_endpoints(
    connection: Connection, key_version: str, *, after: int, limit: int
) -> Sequence[Row]:
    """Return up to `limit` endpoints of all workspaces whose secret has another key version."""
    query = (
        select(webhook_endpoint.c.id, webhook_endpoint.c.workspace_id, webhook_endpoint.c.public_id)
        .add_columns(*_SEALED)
        .where(webhook_endpoint.c.key_version != key_version)
        .where(webhook_endpoint.c.id > after)
        .order_by(webhook_endpoint.c.id)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def replace_endpoint_seal(connection: Connection, row: Row, **sealed: object) -> bool:
    """Store the secret of an endpoint, sealed anew, unless somebody rotated it meanwhile."""
    query = (
        update(webhook_endpoint)
        .where(webhook_endpoint.c.id == row["id"])
        .where(webhook_endpoint.c.nonce == row["nonce"])
    )
    return connection.execute(query.values(**sealed)).rowcount == 1


def count_endpoint_seals(connection: Connection) -> Mapping[str, int]:
    """Return how many endpoints there are, by the version of their key."""
    query = select(webhook_endpoint.c.key_version, func.count()).group_by(
        webhook_endpoint.c.key_version
    )
    return dict(connection.execute(query).all())


def _sealed(workspace_id: int, endpoint: UUID) -> Select[*tuple[Any, ...]]:
    query = _shown(workspace_id).add_columns(*_SEALED)
    return query.where(webhook_endpoint.c.public_id == endpoint)


def _shown(workspace_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(*_SHOWN)
        .join(workspace_connector, workspace_connector.c.id == webhook_endpoint.c.connector_id)
        .where(webhook_endpoint.c.workspace_id == workspace_id)
        .where(workspace_connector.c.deleted_at.is_(None))
    )
