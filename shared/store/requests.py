"""Requests that may be repeated, and the allowance of manual triggers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, tuple_, update

from shared.store.rows import Row
from shared.store.sql import load_sql
from shared.store.tables import repeatable_request

_LIFETIME = timedelta(hours=24)
_LOCK = timedelta(minutes=2)
"""Longer than any request lives."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Which request it is: of whom, for what, under which key, and what it asks."""

    workspace_id: int
    operation: str
    key_hash: bytes
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class RequestClaim:
    """The right to carry out a request; `resource_id` names what it is to make.

    One that is not the first goes on with what another left.
    """

    key: RequestKey
    resource_id: UUID
    claims: int
    is_first: bool


def claim_request(
    connection: Connection, key: RequestKey, *, now: datetime | None = None
) -> RequestClaim | None:
    """Take on a request, or return None if it has an answer, is under way, or asks otherwise."""
    offered = uuid4()
    parameters = {
        "workspace_id": key.workspace_id,
        "operation": key.operation,
        "key_hash": key.key_hash,
        "fingerprint": key.fingerprint,
        "resource_id": offered,
        "lock": _LOCK,
        "lifetime": _LIFETIME,
        "now": now,
    }
    row = connection.execute(load_sql("claim_request"), parameters).mappings().one_or_none()
    if row is None:
        return None
    named = row["resource_id"]
    return RequestClaim(key, named, row["claims"], is_first=named == offered)


def find_request(connection: Connection, key: RequestKey) -> Row | None:
    """Return fingerprint and answer of the request with that key, or None if there is none."""
    query = select(
        repeatable_request.c.fingerprint,
        repeatable_request.c.status,
        repeatable_request.c.headers,
        repeatable_request.c.body,
    ).where(_is(key))
    return connection.execute(query).mappings().one_or_none()


def store_answer(
    connection: Connection,
    claim: RequestClaim,
    *,
    status: int,
    headers: Mapping[str, str],
    body: str,
) -> None:
    """Keep the answer of a request for whoever repeats it, unless somebody took it over."""
    values = {"status": status, "headers": dict(headers), "body": body}
    connection.execute(update(repeatable_request).where(_held(claim)).values(values))


def forget_request(connection: Connection, claim: RequestClaim) -> None:
    """Let a request that was refused, and changed nothing, be as if it had never been made."""
    connection.execute(delete(repeatable_request).where(_held(claim)))


def unlock_request(connection: Connection, claim: RequestClaim) -> None:
    """Let whoever repeats a request that broke off carry it on at once."""
    query = update(repeatable_request).where(_held(claim))
    connection.execute(query.values(locked_until=func.now()))


def prune_requests(connection: Connection, *, now: datetime, page: int) -> int:
    """Delete up to `page` requests that are over, oldest first; return how many."""
    key = tuple_(
        repeatable_request.c.workspace_id,
        repeatable_request.c.operation,
        repeatable_request.c.key_hash,
    )
    over = (
        select(
            repeatable_request.c.workspace_id,
            repeatable_request.c.operation,
            repeatable_request.c.key_hash,
        )
        .where(repeatable_request.c.expires_at <= now)
        .order_by(repeatable_request.c.expires_at)
        .limit(page)
        .with_for_update(skip_locked=True)
    )
    return connection.execute(delete(repeatable_request).where(key.in_(over))).rowcount


def spend_triggers(
    connection: Connection, workspace_id: int, count: int = 1, *, now: datetime | None = None
) -> timedelta | None:
    """Spend manual triggers of a workspace; return None, or how long until there are enough."""
    parameters = {"workspace_id": workspace_id, "count": count, "now": now}
    row = connection.execute(load_sql("spend_triggers"), parameters).mappings().one()
    if row["is_allowed"]:
        return None
    seconds = row["wait_seconds"]
    return timedelta(minutes=1) if seconds is None else timedelta(seconds=seconds)


def _is(key: RequestKey) -> ColumnElement[bool]:
    return and_(
        repeatable_request.c.workspace_id == key.workspace_id,
        repeatable_request.c.operation == key.operation,
        repeatable_request.c.key_hash == key.key_hash,
    )


def _held(claim: RequestClaim) -> ColumnElement[bool]:
    return and_(
        _is(claim.key),
        repeatable_request.c.claims == claim.claims,
        repeatable_request.c.status.is_(None),
    )
