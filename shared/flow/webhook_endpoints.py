"""Webhook endpoints of connectors: made, rotated and deleted; a secret is shown once."""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine

from shared.domain.access import Principal
from shared.domain.hooks import HookScheme, new_secret
from shared.domain.schedule import Frequency
from shared.errors import ConflictError, NotFoundError
from shared.flow.audit import append_change, endpoint_change
from shared.flow.hook_secrets import seal_rotated, seal_secret
from shared.flow.premises import Premise, any_state
from shared.gcp.sealing import WrappingKey
from shared.store.connectors import find_connector
from shared.store.engine import single_statements
from shared.store.hooks import (
    count_endpoints,
    delete_endpoint,
    find_endpoint,
    find_frequency,
    find_sealed_endpoint,
    insert_endpoint,
    lock_endpoint,
    update_endpoint,
)
from shared.store.rows import Row
from shared.store.ticks import as_of
from shared.store.workspaces import lock_workspace

MAX_ENDPOINTS = 10
"""Of one connector."""
USUAL_HEADER = "x-webhook-secret"
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class MadeEndpoint:
    """An endpoint, and its new secret, which nobody can read again; None if it was made before."""

    row: Row
    secret: str | None


def create_endpoint(
    engine: Engine,
    principal: Principal,
    key: WrappingKey | None,
    connector: UUID,
    *,
    name: str,
    scheme: HookScheme,
    secret_header: str | None = None,
    public_id: UUID | None = None,
) -> MadeEndpoint:
    """Make an endpoint of a connector whose schedule is realtime.

    `secret_header` is the header, in lower case, in which a source that cannot sign sends the
    secret. Given a `public_id` that it has already, it was made before and is returned. Raises
    `NotFoundError`, `ConflictError` (needs_realtime_schedule, too_many_endpoints), and what `seal`
    raises.
    """
    endpoint = public_id or uuid4()
    secret = new_secret(scheme, secrets.token_bytes(_SECRET_BYTES))
    # Before the transaction: the key may be a service's.
    sealed = seal_secret(key, principal.workspace_id, endpoint, secret)
    is_shared = scheme is HookScheme.SHARED_SECRET
    with engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        before = public_id and find_endpoint(connection, principal.workspace_id, public_id)
        if before:
            return MadeEndpoint(before, None)
        row = find_connector(connection, principal.workspace_id, connector)
        if row is None:
            raise NotFoundError("There is no such connector.", code="foreign_key_integrity")
        _require_room(connection, row["id"])
        insert_endpoint(
            connection,
            {
                "public_id": endpoint,
                "workspace_id": principal.workspace_id,
                "connector_id": row["id"],
                "name": name,
                "scheme": scheme,
                "secret_header": (secret_header or USUAL_HEADER) if is_shared else None,
                **asdict(sealed),
            },
        )
        made = require_endpoint(connection, principal, endpoint)
        change = endpoint_change("create_webhook_endpoint", None, made)
        append_change(connection, principal, change)
        return MadeEndpoint(made, secret)


def rotate_endpoint(
    engine: Engine,
    principal: Principal,
    key: WrappingKey | None,
    endpoint: UUID,
    *,
    overlap: timedelta,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> MadeEndpoint:
    """Give an endpoint a new secret; the one before is taken for `overlap` more.

    The oldest one that is still taken stays until its own end, unless `overlap` is shorter or
    none. Raises `NotFoundError`, `ConflictError` (changed_meanwhile), and what `premise` and
    `unseal` raise.
    """
    with single_statements(engine) as connection:
        before = find_sealed_endpoint(connection, principal.workspace_id, endpoint)
        at = as_of(connection, now)
    if before is None:
        raise _unknown()
    secret = new_secret(HookScheme(before["scheme"]), secrets.token_bytes(_SECRET_BYTES))
    made = seal_rotated(key, before, secret, overlap, at)
    with engine.begin() as connection:
        row = _locked(connection, principal, endpoint)
        premise(row)
        if row["nonce"] != before["nonce"]:
            raise ConflictError(
                "Somebody else rotated this endpoint at the same time: read it and try again.",
                code="changed_meanwhile",
            )
        changes = {
            "previous_until": made.previous_until,
            "oldest_until": made.oldest_until,
            "rotated_at": at,
            **asdict(made.sealed),
        }
        update_endpoint(connection, row["id"], changes)
        rotated = require_endpoint(connection, principal, endpoint)
        change = endpoint_change("rotate_webhook_endpoint", row, rotated)
        append_change(connection, principal, change)
        return MadeEndpoint(rotated, secret)


def rename_endpoint(
    engine: Engine,
    principal: Principal,
    endpoint: UUID,
    *,
    name: str,
    premise: Premise = any_state,
) -> Row:
    """Give an endpoint another name. Raises `NotFoundError`, and what `premise` raises."""
    with engine.begin() as connection:
        row = _locked(connection, principal, endpoint)
        premise(row)
        if row["name"] == name:
            return row
        update_endpoint(connection, row["id"], {"name": name})
        renamed = require_endpoint(connection, principal, endpoint)
        change = endpoint_change("change_webhook_endpoint", row, renamed)
        append_change(connection, principal, change)
        return renamed


def remove_endpoint(
    engine: Engine, principal: Principal, endpoint: UUID, *, premise: Premise = any_state
) -> None:
    """Delete an endpoint: its messages are refused from now on.

    Raises `NotFoundError`, and what `premise` raises.
    """
    with engine.begin() as connection:
        row = _locked(connection, principal, endpoint)
        premise(row)
        delete_endpoint(connection, row["id"])
        change = endpoint_change("delete_webhook_endpoint", row, None)
        append_change(connection, principal, change)


def require_endpoint(connection: Connection, principal: Principal, endpoint: UUID) -> Row:
    """Return an endpoint of the caller's workspace; raise `NotFoundError` if there is none."""
    row = find_endpoint(connection, principal.workspace_id, endpoint)
    if row is None:
        raise _unknown()
    return row


def _locked(connection: Connection, principal: Principal, endpoint: UUID) -> Row:
    row = lock_endpoint(connection, principal.workspace_id, endpoint)
    if row is None:
        raise _unknown()
    return row


def _require_room(connection: Connection, connector_id: int) -> None:
    if find_frequency(connection, connector_id) != Frequency.REALTIME:
        raise ConflictError(
            "Only a realtime schedule is started by messages: give this connector a schedule with"
            " the frequency realtime first.",
            code="needs_realtime_schedule",
        )
    if count_endpoints(connection, connector_id) >= MAX_ENDPOINTS:
        raise ConflictError(
            f"This connector has {MAX_ENDPOINTS} webhook endpoints already: delete one that is not"
            " used.",
            code="too_many_endpoints",
        )


def _unknown() -> NotFoundError:
    return NotFoundError("There is no such webhook endpoint.")
