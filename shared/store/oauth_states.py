"""Authorizations that were begun: each may be used once, within minutes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from shared.store.rows import Row
from shared.store.sql import load_sql
from shared.store.tables import oauth_state, workspace_connector

_MOST = 5
"""Of one connector: a person has so many tabs open, and only a script has more."""


def insert_state(connection: Connection, values: dict[str, Any]) -> None:
    """Store a state, and forget the oldest of its connector beyond the most that it may have.

    The caller holds the connector.
    """
    too_many = (
        select(oauth_state.c.state_hash)
        .where(oauth_state.c.connector_id == values["connector_id"])
        .order_by(oauth_state.c.expires_at.desc())
        .offset(_MOST - 1)
    )
    connection.execute(delete(oauth_state).where(oauth_state.c.state_hash.in_(too_many)))
    connection.execute(insert(oauth_state).values(values))


def prune_states(connection: Connection, *, now: datetime, page: int) -> int:
    """Forget up to `page` states that ended; return how many."""
    ended = (
        select(oauth_state.c.state_hash)
        .where(oauth_state.c.expires_at <= now)
        .order_by(oauth_state.c.expires_at)
        .limit(page)
        .with_for_update(skip_locked=True)
    )
    query = delete(oauth_state).where(oauth_state.c.state_hash.in_(ended))
    return connection.execute(query).rowcount


def find_workspace_of_state(connection: Connection, state_hash: bytes) -> int | None:
    """Return the internal key of the workspace in which a state was made; None if it is none."""
    query = select(oauth_state.c.workspace_id).where(oauth_state.c.state_hash == state_hash)
    return connection.execute(query).scalar_one_or_none()


def use_state(connection: Connection, state_hash: bytes, *, now: datetime | None) -> Row | None:
    """Use a state and return what was stored with it; None if it is none, was used, or ended."""
    parameters = {"state_hash": state_hash, "now": now}
    return connection.execute(load_sql("use_oauth_state"), parameters).mappings().one_or_none()


def delete_states(connection: Connection, connector_id: int) -> None:
    """Forget the authorizations of a connector that are under way."""
    connection.execute(delete(oauth_state).where(oauth_state.c.connector_id == connector_id))


def delete_states_of_workspace(connection: Connection, workspace_id: int) -> None:
    """Forget those of all connectors of a workspace."""
    connection.execute(delete(oauth_state).where(oauth_state.c.workspace_id == workspace_id))


def lagging_states(
    connection: Connection, key_version: str, *, after: bytes, limit: int
) -> Sequence[Row]:
    """Return up to `limit` states still to be used whose key has another version, after a hash."""
    query = (
        select(
            oauth_state.c.state_hash,
            oauth_state.c.workspace_id,
            oauth_state.c.ciphertext,
            oauth_state.c.nonce,
            oauth_state.c.wrapped_key,
            oauth_state.c.key_version,
            workspace_connector.c.public_id,
        )
        .join_from(oauth_state, workspace_connector)
        .where(oauth_state.c.key_version != key_version)
        .where(oauth_state.c.used_at.is_(None))
        .where(oauth_state.c.expires_at > func.now())
        .where(oauth_state.c.state_hash > after)
        .order_by(oauth_state.c.state_hash)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def replace_state_seal(
    connection: Connection,
    before: Row,
    *,
    ciphertext: bytes,
    nonce: bytes,
    wrapped_key: bytes,
    key_version: str,
) -> bool:
    """Store the same verifier under another seal; return whether it was still to be used."""
    query = (
        update(oauth_state)
        .where(oauth_state.c.state_hash == before["state_hash"])
        .where(oauth_state.c.key_version == before["key_version"])
        .where(oauth_state.c.used_at.is_(None))
        .values(
            ciphertext=ciphertext, nonce=nonce, wrapped_key=wrapped_key, key_version=key_version
        )
    )
    return connection.execute(query).rowcount == 1


def count_state_seals(connection: Connection) -> Mapping[str, int]:
    """Return how many authorizations can still be used, by the version of their key."""
    query = (
        select(oauth_state.c.key_version, func.count())
        .where(oauth_state.c.used_at.is_(None))
        .where(oauth_state.c.expires_at > func.now())
        .group_by(oauth_state.c.key_version)
    )
    return dict(connection.execute(query).all())
