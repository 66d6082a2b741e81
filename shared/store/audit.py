"""The audit log: adding to it, and whether its chain holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from sqlalchemy import Connection, select

from shared.domain.audit import Actor, Change, differences
from shared.store.rows import Row, to_records
from shared.store.sql import load_sql
from shared.store.tables import audit_head, audit_log, workspace

MOST_REFUSED = 60
"""How many refusals of one caller are kept of a minute: whoever is refused in a loop fills no disk,
and keeps nobody else's out."""
MOST_REFUSED_OF_ALL = 600
"""How many refusals of all callers of a workspace together are kept of a minute."""
ENDED_KEY_CODES = frozenset({"own_key_revoked", "own_key_expired"})
"""What refuses whoever shows a key that opens nothing any more, and nobody else."""
MOST_REFUSED_OF_ENDED_KEYS = 10
"""How many of those are kept of a minute, of all such keys of a workspace together and apart from
its callers: nobody looks after such a key, and it may be tried for ever."""
_MOST_NAME = 200
_VERIFIED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a chain holds: how many entries were looked at, and the first that is wrong.

    `head` is the last entry's hash: kept elsewhere, it proves later that nothing was taken away.
    """

    entries: int
    head: bytes
    broken_at: int | None = None


def append_audit(connection: Connection, workspace_id: int, actor: Actor, *changes: Change) -> None:
    """Add changes to the log, last of all in their transaction: the chain is locked from here on.

    One statement for all of them, and others only where there are refusals, or some to be told of.
    A change that changes nothing is left out. Refusals above `MOST_REFUSED`, `MOST_REFUSED_OF_ALL`
    or, with `ENDED_KEY_CODES`, `MOST_REFUSED_OF_ENDED_KEYS` are counted; an entry of that caller
    tells how many they were, after whatever is added to the log next when the minute is over.
    """
    caller = {
        "workspace_id": workspace_id,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_name": actor.name[:_MOST_NAME],
    }
    kept = _without_excess(connection, caller, [one for one in changes if not one.is_none])
    if not kept:
        return
    parameters = {
        **caller,
        "address": actor.origin.address,
        "request_id": actor.origin.request_id,
        "entries": to_records([_entry(place, change) for place, change in enumerate(kept)]),
    }
    if any(connection.execute(load_sql("append_audit"), parameters).scalars().all()):
        connection.execute(load_sql("tell_refusals"), {"workspace_id": workspace_id})


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


def has_entry(connection: Connection, workspace_id: int, seq: int, entry_hash: bytes) -> bool:
    """Tell whether the entry of that number has that hash: then it and all before it are as then.

    The chain itself has been verified.
    """
    query = select(audit_log.c.hash).where(
        audit_log.c.workspace_id == workspace_id, audit_log.c.seq == seq
    )
    found = connection.execute(query).scalar_one_or_none()
    return found is not None and bytes(found) == entry_hash


def list_chains(
    connection: Connection, *, slug: str | None, after_id: int, limit: int
) -> Sequence[Row]:
    """Return id and slug of up to `limit` workspaces after an internal key, deleted ones too."""
    query = select(workspace.c.id, workspace.c.slug).where(workspace.c.id > after_id)
    if slug is not None:
        query = query.where(workspace.c.slug == slug)
    return connection.execute(query.order_by(workspace.c.id).limit(limit)).mappings().all()


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


def _without_excess(
    connection: Connection, caller: Mapping[str, object], changes: Sequence[Change]
) -> Sequence[Change]:
    """Return the changes without those refusals for which there is no room, and count these."""
    codes = [change.code for change in changes if change.code is not None]
    if not codes:
        return changes
    # Such a key is refused whatever it asks for: there is nothing else in the same call.
    is_of_ended_key = not ENDED_KEY_CODES.isdisjoint(codes)
    parameters = {
        **caller,
        "refusals": len(codes),
        "is_of_ended_key": is_of_ended_key,
        "most_refused": MOST_REFUSED,
        "most_refused_of_all": (
            MOST_REFUSED_OF_ENDED_KEYS if is_of_ended_key else MOST_REFUSED_OF_ALL
        ),
    }
    room = connection.execute(load_sql("count_refusals"), parameters).scalar_one()
    refusals = count(1)
    return [change for change in changes if change.code is None or next(refusals) <= room]


def _entry(place: int, change: Change) -> dict[str, object]:
    before, after = differences(change.before, change.after)
    return {
        "place": place,
        "action": change.action,
        "object_kind": change.kind,
        "object_id": change.id,
        "object_name": None if change.name is None else change.name[:_MOST_NAME],
        "outcome": change.outcome,
        "code": change.code,
        "before": before,
        "after": after,
    }
