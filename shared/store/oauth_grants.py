"""The grants of connectors: their tokens are sealed with the other secrets of the connector."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from shared.store.sql import load_sql
from shared.store.tables import connector_credential, workspace_connector

_LONGEST_REASON = 500


def take_refresh_lease(
    connection: Connection,
    connector_id: int,
    token_version: int,
    *,
    access_version: int,
    lease: timedelta,
) -> datetime | None:
    """Take the right to renew tokens; return until when, None if another worker has it.

    None too if they are not those of the two versions any more.
    """
    parameters = {
        "connector_id": connector_id,
        "token_version": token_version,
        "access_version": access_version,
        "lease": lease,
    }
    return connection.execute(load_sql("take_refresh_lease"), parameters).scalar_one_or_none()


def give_back_refresh_lease(connection: Connection, connector_id: int, held: datetime) -> None:
    """Let others renew the tokens, unless somebody else has taken the right meanwhile."""
    query = (
        update(connector_credential)
        .where(connector_credential.c.connector_id == connector_id)
        .where(connector_credential.c.refresh_lease_expires_at == held)
        .values(refresh_lease_expires_at=None)
    )
    connection.execute(query)


def store_refreshed(
    connection: Connection,
    connector_id: int,
    token_version: int,
    *,
    access_version: int,
    expires_at: datetime | None,
    ciphertext: bytes,
    nonce: bytes,
    wrapped_key: bytes,
    key_version: str,
) -> bool:
    """Store secrets with renewed tokens; return whether they were still those of the versions."""
    parameters = {
        "connector_id": connector_id,
        "token_version": token_version,
        "access_version": access_version,
        "expires_at": expires_at,
        "ciphertext": ciphertext,
        "nonce": nonce,
        "wrapped_key": wrapped_key,
        "key_version": key_version,
    }
    row = connection.execute(load_sql("store_refreshed_tokens"), parameters).one_or_none()
    return row is not None


def store_granted(
    connection: Connection,
    workspace_id: int,
    connector_id: int,
    token_version: int | None,
    *,
    authorized_at: datetime,
    expires_at: datetime | None,
    ciphertext: bytes,
    nonce: bytes,
    wrapped_key: bytes,
    key_version: str,
) -> bool:
    """Store secrets with the tokens of a new grant; return whether nobody was faster.

    `token_version` is of the secrets that they replace, None if there were none.
    """
    values = {
        "authorized_at": authorized_at,
        "expires_at": expires_at,
        "refresh_lease_expires_at": None,
        "ciphertext": ciphertext,
        "nonce": nonce,
        "wrapped_key": wrapped_key,
        "key_version": key_version,
    }
    if token_version is None:
        query = upsert(connector_credential).values(
            workspace_id=workspace_id, connector_id=connector_id, **values
        )
        return connection.execute(query.on_conflict_do_nothing()).rowcount == 1
    change = (
        update(connector_credential)
        .where(connector_credential.c.connector_id == connector_id)
        .where(connector_credential.c.token_version == token_version)
        .values(**values, token_version=token_version + 1)
    )
    return connection.execute(change).rowcount == 1


def has_grant(connection: Connection, connector_id: int) -> bool:
    """Tell whether a person has authorized the connector as it is set up now."""
    query = select(connector_credential.c.authorized_at).where(
        connector_credential.c.connector_id == connector_id
    )
    return connection.execute(query).scalar_one_or_none() is not None


def note_lost_grant(
    connection: Connection, connector_id: int, token_version: int | None, *, reason: str
) -> bool:
    """Let a connector wait for another authorization; return whether its tokens are still those.

    One that is not `connected` keeps its status. The caller holds the workspace and the connector,
    and knows that its `access_version` is what the tokens are for.
    """
    version = connection.execute(
        select(connector_credential.c.token_version)
        .where(connector_credential.c.connector_id == connector_id)
        .with_for_update()
    ).scalar_one_or_none()
    if version != token_version:
        return False
    connection.execute(
        update(connector_credential)
        .where(connector_credential.c.connector_id == connector_id)
        .values(authorized_at=None, refresh_lease_expires_at=None)
    )
    connection.execute(
        update(workspace_connector)
        .where(workspace_connector.c.id == connector_id)
        .where(workspace_connector.c.status == "connected")
        .values(
            status="needs_reauthorization",
            health="unhealthy",
            health_reason=reason[:_LONGEST_REASON],
        )
    )
    return True
