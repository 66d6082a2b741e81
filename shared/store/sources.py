"""What it takes to open a connector's source: its config and its sealed secrets."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

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
            workspace_connector.c.secret_pointers,
            workspace_connector.c.status,
            workspace.c.slug.label("workspace_slug"),
            connector_credential.c.ciphertext,
            connector_credential.c.nonce,
            connector_credential.c.wrapped_key,
            connector_credential.c.key_version,
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
    connection: Connection, *, now: datetime, pause: timedelta, page: int
) -> Sequence[Row]:
    """Take up to `page` connectors whose look is due; return the sources of those that need one.

    The next look of each is put off by about `pause`, also of those whose runs tell of them.
    """
    parameters = {"now": now, "pause": pause, "page": page}
    return connection.execute(load_sql("claim_looks"), parameters).mappings().all()
