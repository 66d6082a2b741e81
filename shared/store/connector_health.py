"""What is known of one connector's health: the last verdict on it, looks, runs and streams."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, func, select, true

from shared.store.rows import Row
from shared.store.tables import (
    connector_credential,
    connector_stream,
    sync_log,
    workspace_connector,
)

MOST_STREAMS = 20
"""How many streams in trouble are told of."""
_NEWEST_RUNS = 200
"""Among how many of its runs the last one that began is looked for."""


@dataclass(frozen=True, slots=True)
class KnownHealth:
    """A connector with its grant, the last run of it that ended, and its streams in trouble.

    `last_run` is None where none of its newest runs read anything. There is one stream more than
    are told of, where there are more.
    """

    connector: Row
    last_run: Row | None
    failed_streams: Sequence[Row]


def find_health(connection: Connection, workspace_id: int, connector: UUID) -> KnownHealth | None:
    """Return what is known of a live connector of a workspace, or None if there is none."""
    found = connection.execute(_connector(workspace_id, connector)).mappings().one_or_none()
    if found is None:
        return None
    owner = (workspace_id, found["id"])
    return KnownHealth(found, _last_run(connection, *owner), _failed_streams(connection, *owner))


def _connector(workspace_id: int, connector: UUID) -> Select[*tuple[Any, ...]]:
    synced = (
        select(func.max(connector_stream.c.synced_at).label("last_synced_at"))
        .where(connector_stream.c.workspace_id == workspace_id)
        .where(connector_stream.c.connector_id == workspace_connector.c.id)
        .lateral()
    )
    return (
        select(
            workspace_connector.c.id,
            workspace_connector.c.public_id,
            workspace_connector.c.status,
            workspace_connector.c.health,
            workspace_connector.c.health_reason,
            workspace_connector.c.health_since,
            workspace_connector.c.health_looked_at,
            workspace_connector.c.health_next_check_at,
            connector_credential.c.authorized_at,
            connector_credential.c.expires_at,
            synced.c.last_synced_at,
        )
        .outerjoin(
            connector_credential,
            connector_credential.c.connector_id == workspace_connector.c.id,
        )
        .join(synced, true())
        .where(workspace_connector.c.workspace_id == workspace_id)
        .where(workspace_connector.c.public_id == connector)
        .where(workspace_connector.c.deleted_at.is_(None))
    )


def _last_run(connection: Connection, workspace_id: int, connector_id: int) -> Row | None:
    newest = (
        select(
            sync_log.c.id,
            sync_log.c.workspace_connector_sync_log_id.label("public_id"),
            sync_log.c.status,
            sync_log.c.reason,
            sync_log.c.error,
            sync_log.c.started_at,
            sync_log.c.completed_at,
            sync_log.c.created_at,
        )
        .where(sync_log.c.workspace_id == workspace_id)
        .where(sync_log.c.connector_id == connector_id)
        .where(sync_log.c.deleted_at.is_(None))
        .order_by(sync_log.c.created_at.desc(), sync_log.c.id.desc())
        .limit(_NEWEST_RUNS)
        .subquery()
    )
    query = (
        select(newest)
        .where(newest.c.started_at.is_not(None))
        .where(newest.c.completed_at.is_not(None))
        .order_by(newest.c.created_at.desc(), newest.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).mappings().one_or_none()


def _failed_streams(connection: Connection, workspace_id: int, connector_id: int) -> Sequence[Row]:
    query = (
        select(
            connector_stream.c.stream,
            connector_stream.c.fault,
            connector_stream.c.error,
            connector_stream.c.synced_at,
        )
        .where(connector_stream.c.workspace_id == workspace_id)
        .where(connector_stream.c.connector_id == connector_id)
        .where(connector_stream.c.status == "failed")
        .order_by(connector_stream.c.stream)
        .limit(MOST_STREAMS + 1)
    )
    return connection.execute(query).mappings().all()
