"""What it takes to open a connector's source: its config and its sealed secrets."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from shared.store.rows import Row
from shared.store.sql import load_sql
from shared.store.tables import connector_credential, workspace, workspace_connector


def find_source(connection: Connection, workspace_id: int, public_id: object) -> Row | None:
    """Return the source of a live connector of a workspace; without secrets they are None."""
    query = (
        select(
            workspace_connector.c.id,
            workspace_connector.c.workspace_id,
            workspace_connector.c.public_id.label("connector_public_id"),
            workspace_connector.c.connector_type,
            workspace_connector.c.config,
            workspace_connector.c.config_version,
            workspace_connector.c.access_version,
            workspace_connector.c.secret_pointers,
            workspace_connector.c.status,
            workspace.c.slug.label("workspace_slug"),
            connector_credential.c.ciphertext,
            connector_credential.c.nonce,
            connector_credential.c.wrapped_key,
            connector_credential.c.key_version,
            connector_credential.c.token_version,
            connector_credential.c.expires_at,
            connector_credential.c.refresh_lease_expires_at,
        )
        .join(workspace, workspace.c.id == workspace_connector.c.workspace_id)
        .outerjoin(
            connector_credential, connector_credential.c.connector_id == workspace_connector.c.id
        )
        .where(workspace_connector.c.workspace_id == workspace_id)
        .where(workspace_connector.c.public_id == public_id)
        .where(workspace_connector.c.deleted_at.is_(None))
    )
    return connection.execute(query).mappings().one_or_none()


def claim_looks(
    connection: Connection,
    *,
    now: datetime,
    after: int,
    workspaces: int,
    share: int,
    put_off: timedelta,
) -> Sequence[Row]:
    """Take connectors whose look is due, and return their sources by workspace.

    Up to `share` of each of the next `workspaces` that have any, in the order of their internal
    keys after `after`. None comes back if there are none further on. The next look of each is put
    off by `put_off`.
    """
    parameters = {
        "now": now,
        "after": after,
        "workspaces": workspaces,
        "share": share,
        "put_off": put_off,
    }
    return connection.execute(load_sql("claim_looks"), parameters).mappings().all()


def put_off_asleep(connection: Connection, *, now: datetime, put_off: timedelta, page: int) -> int:
    """Put off up to `page` looks that are due in workspaces that do not work; return how many."""
    parameters = {"now": now, "put_off": put_off, "page": page}
    return connection.execute(load_sql("put_off_asleep"), parameters).rowcount


def last_workspace(connection: Connection) -> int:
    """Return the largest internal key of a workspace, 0 if there is none."""
    return connection.execute(select(func.coalesce(func.max(workspace.c.id), 0))).scalar_one()
