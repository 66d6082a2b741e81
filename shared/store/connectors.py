"""Connectors and their sealed secrets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from shared.domain.health import Health, Verdict
from shared.store.rows import Row
from shared.store.tables import connector_credential, workspace_connector

_PUBLIC = (
    workspace_connector.c.id,
    workspace_connector.c.public_id,
    workspace_connector.c.connector_type,
    workspace_connector.c.name,
    workspace_connector.c.config,
    workspace_connector.c.secret_pointers,
    workspace_connector.c.status,
    workspace_connector.c.access_version,
    workspace_connector.c.health,
    workspace_connector.c.health_reason,
    workspace_connector.c.health_next_check_at,
    workspace_connector.c.version,
    workspace_connector.c.created_at,
    workspace_connector.c.updated_at,
)
_SEALED = (
    connector_credential.c.connector_id,
    connector_credential.c.workspace_id,
    connector_credential.c.ciphertext,
    connector_credential.c.nonce,
    connector_credential.c.wrapped_key,
    connector_credential.c.key_version,
    connector_credential.c.token_version,
)
_MOST_VERSIONS = 1_000


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


def update_connector(
    connection: Connection,
    connector_id: int,
    values: dict[str, Any],
    *,
    is_elsewhere: bool = False,
    is_counted: bool = False,
) -> Row:
    """Change what people set of a connector and return what the API shows of it.

    Of a new config nothing is known: its health is unknown, and it is looked at next. One that
    `is_elsewhere` takes no grant that was given for an older one. What is part of a change that
    `is_counted` already raises no version.
    """
    if not is_counted:
        values = {**values, "version": workspace_connector.c.version + 1}
    if is_elsewhere:
        values = {**values, "access_version": workspace_connector.c.access_version + 1}
    if "config" in values:
        values |= {
            "config_version": workspace_connector.c.config_version + 1,
            "health": Health.UNKNOWN,
            "health_reason": None,
            "health_next_check_at": func.now(),
        }
    query = update(workspace_connector).where(workspace_connector.c.id == connector_id)
    return connection.execute(query.values(values).returning(*_PUBLIC)).mappings().one()


def note_authorized(connection: Connection, connector_id: int) -> None:
    """Count an authorization as a change of a connector by a person.

    Nothing is known of its health any more, whatever runs and looks under way will say.
    """
    query = (
        update(workspace_connector)
        .where(workspace_connector.c.id == connector_id)
        .values(
            version=workspace_connector.c.version + 1,
            config_version=workspace_connector.c.config_version + 1,
            health=Health.UNKNOWN,
            health_reason=None,
        )
    )
    connection.execute(query)


def replace_credential(
    connection: Connection,
    workspace_id: int,
    connector_id: int,
    *,
    ciphertext: bytes,
    nonce: bytes,
    wrapped_key: bytes,
    key_version: str,
) -> None:
    """Store a connector's sealed secrets in place of those that it has, if any.

    `token_version` grows: who read the old ones, to seal or refresh them, has lost. The grant that
    belonged to them is gone.
    """
    values = {
        "ciphertext": ciphertext,
        "nonce": nonce,
        "wrapped_key": wrapped_key,
        "key_version": key_version,
    }
    query = upsert(connector_credential).values(
        workspace_id=workspace_id, connector_id=connector_id, **values
    )
    newer = {
        "token_version": connector_credential.c.token_version + 1,
        "expires_at": None,
        "authorized_at": None,
        "refresh_lease_expires_at": None,
    }
    connection.execute(
        query.on_conflict_do_update(index_elements=["connector_id"], set_=values | newer)
    )


def note_health(
    connection: Connection,
    connector_id: int,
    verdict: Verdict | None,
    *,
    config_version: int,
    looked_at: datetime,
    next_check_at: datetime,
) -> None:
    """Note what a look at one version of a connector's config says of it; None says nothing.

    Nothing is written if the config is another one by now.
    """
    values: dict[str, Any] = {"health_looked_at": looked_at, "health_next_check_at": next_check_at}
    if verdict is not None:
        values |= {"health": verdict.health, "health_reason": verdict.reason}
    query = (
        update(workspace_connector)
        .where(workspace_connector.c.id == connector_id)
        .where(workspace_connector.c.config_version == config_version)
    )
    connection.execute(query.values(values))


def delete_credential(connection: Connection, connector_id: int) -> None:
    """Destroy a connector's sealed secrets."""
    query = delete(connector_credential).where(connector_credential.c.connector_id == connector_id)
    connection.execute(query)


def delete_credentials(connection: Connection, workspace_id: int) -> None:
    """Destroy the sealed secrets of all connectors of a workspace."""
    query = delete(connector_credential).where(connector_credential.c.workspace_id == workspace_id)
    connection.execute(query)


def lagging_credentials(
    connection: Connection, key_version: str, *, after: int, limit: int
) -> Sequence[Row]:
    """Return up to `limit` sealed secrets of all workspaces whose key has another version.

    They come in the order of their connectors' internal keys, after one.
    """
    query = (
        select(*_SEALED, workspace_connector.c.public_id)
        .join_from(connector_credential, workspace_connector)
        .where(connector_credential.c.key_version != key_version)
        .where(connector_credential.c.connector_id > after)
        .order_by(connector_credential.c.connector_id)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def replace_seal(
    connection: Connection,
    before: Row,
    *,
    ciphertext: bytes,
    nonce: bytes,
    wrapped_key: bytes,
    key_version: str,
) -> bool:
    """Store the same secrets under another seal; return whether they were still those of `before`.

    `token_version` stays: who refreshes the secrets meanwhile must not lose what it got for them.
    """
    query = (
        update(connector_credential)
        .where(connector_credential.c.workspace_id == before["workspace_id"])
        .where(connector_credential.c.connector_id == before["connector_id"])
        .where(connector_credential.c.token_version == before["token_version"])
        .where(connector_credential.c.nonce == before["nonce"])
        .values(
            ciphertext=ciphertext, nonce=nonce, wrapped_key=wrapped_key, key_version=key_version
        )
    )
    return connection.execute(query).rowcount == 1


def count_seals(connection: Connection) -> Mapping[str, int]:
    """Return how many connectors have sealed secrets, by the version of their key."""
    query = (
        select(connector_credential.c.key_version, func.count())
        .group_by(connector_credential.c.key_version)
        .order_by(connector_credential.c.key_version)
        .limit(_MOST_VERSIONS)
    )
    return dict(connection.execute(query).all())


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
