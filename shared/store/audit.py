"""The audit log: adding to it, reading it, and whether its chain holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select

from shared.domain.audit import Actor, Change, ObjectKind, Outcome, differences
from shared.store.rows import Row, to_json
from shared.store.sql import load_sql
from shared.store.tables import audit_head, audit_log

MOST_REFUSED = 60
"""How many refusals a workspace keeps of a minute: whoever is refused in a loop fills no disk."""
_MOST_NAME = 200
_VERIFIED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to read; None leaves the question open. `until` is not included."""

    action: str | None = None
    kind: ObjectKind | None = None
    object_id: UUID | None = None
    actor_id: UUID | None = None
    outcome: Outcome | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a chain holds: how many entries were looked at, and the first that is wrong.

    `head` is the last entry's hash: kept elsewhere, it proves later that nothing was taken away.
    """

    entries: int
    head: bytes
    broken_at: int | None = None


def append_audit(connection: Connection, workspace_id: int, actor: Actor, change: Change) -> None:
    """Add a change to the log, last of all in its transaction: the chain is locked from here on."""
    before, after = differences(change.before, change.after)
    parameters = {
        "workspace_id": workspace_id,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_name": actor.name[:_MOST_NAME],
        "address": actor.origin.address,
        "request_id": actor.origin.request_id,
        "action": change.action,
        "object_kind": change.kind,
        "object_id": change.id,
        "object_name": None if change.name is None else change.name[:_MOST_NAME],
        "outcome": change.outcome,
        "code": change.code,
        "before": None if before is None else to_json(before),
        "after": None if after is None else to_json(after),
        "most_refused": MOST_REFUSED,
    }
    connection.execute(load_sql("append_audit"), parameters)


def list_audit(
    connection: Connection,
    workspace_id: int,
    wanted: AuditFilter,
    *,
    before: int | None,
    limit: int,
) -> list[Row]:
    """Return entries of a workspace, newest first, of those older than number `before`."""
    query = select(audit_log).where(audit_log.c.workspace_id == workspace_id)
    exact = {
        "action": wanted.action,
        "object_kind": wanted.kind,
        "object_id": wanted.object_id,
        "actor_id": wanted.actor_id,
        "outcome": wanted.outcome,
    }
    for name, value in exact.items():
        if value is not None:
            query = query.where(audit_log.c[name] == value)
    if wanted.since is not None:
        query = query.where(audit_log.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(audit_log.c.created_at < wanted.until)
    if before is not None:
        query = query.where(audit_log.c.seq < before)
    return list(connection.execute(query.order_by(audit_log.c.seq.desc()).limit(limit)).mappings())


def verify_audit(connection: Connection, workspace_id: int) -> Verdict:
    """Follow the chain of a workspace from its beginning to the end that is on record."""
    entries, last_seq, last_hash = 0, 0, b""
    for page in _pages(connection, workspace_id):
        entries += page["entries"]
        if page["broken_at"] is not None:
            return Verdict(entries, last_hash, page["broken_at"])
        last_seq, last_hash = page["last_seq"], bytes(page["last_hash"])
    query = select(audit_head.c.seq, audit_head.c.hash).where(
        audit_head.c.workspace_id == workspace_id
    )
    head = connection.execute(query).one_or_none()
    on_record = (0, b"") if head is None else (head.seq, bytes(head.hash))
    is_whole = on_record == (last_seq, last_hash)
    return Verdict(entries, last_hash, None if is_whole else last_seq + 1)


def _pages(connection: Connection, workspace_id: int) -> Iterator[Row]:
    after, after_hash = 0, b""
    while True:
        parameters = {
            "workspace_id": workspace_id,
            "after": after,
            "after_hash": after_hash,
            "page": _VERIFIED_AT_ONCE,
        }
        result = connection.execute(load_sql("broken_audit_links"), parameters)
        page = result.mappings().one()
        if not page["entries"]:
            return
        yield page
        after, after_hash = page["last_seq"], bytes(page["last_hash"])
