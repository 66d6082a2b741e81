"""Pages of the audit log, newest first, by the filter of which an index leaves least to look at."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    Subquery,
    and_,
    literal_column,
    select,
    tuple_,
)

from shared.domain.audit import AuditFilter, AuditPlace, Outcome
from shared.store.engine import read_only, single_statements
from shared.store.rows import Row
from shared.store.tables import audit_log

MOST_LOOKED_AT = 5_000
"""How many entries one page looks at when no index knows the whole filter."""

_ORDER = (audit_log.c.created_at.desc(), audit_log.c.seq.desc())
_IS_REFUSED = audit_log.c.outcome == literal_column(f"'{Outcome.REFUSED}'")
"""No parameter, which would hide from the planner that a partial index holds these rows."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries in order, and the place after which the next page begins, if there may be one.

    A page may have fewer entries than were asked for, or none, and a next one all the same: then it
    looked at as many entries as a page may.
    """

    rows: Sequence[Row]
    next_place: AuditPlace | None


@contextmanager
def snapshot_for(engine: Engine, wanted: AuditFilter) -> Generator[Connection]:
    """Open what a page is read on: one snapshot, if it takes more than one statement."""
    _, others = _conditions(wanted)
    with (read_only if others else single_statements)(engine) as connection:
        yield connection


def list_audit(
    connection: Connection,
    workspace_id: int,
    wanted: AuditFilter,
    *,
    after: AuditPlace | None,
    limit: int,
) -> AuditPage:
    """Return up to `limit` entries that come after a place, or from the newest on.

    On a connection of `snapshot_for`, so that all statements of a page see the same entries.
    """
    known, others = _conditions(wanted)
    within = [audit_log.c.workspace_id == workspace_id, *known, *_range(wanted, after)]
    picked = _pick(within, others, limit + 1)
    query = (
        select(audit_log)
        .join(picked, picked.c.seq == audit_log.c.seq)
        .where(audit_log.c.workspace_id == workspace_id)
        .order_by(*_ORDER)
    )
    rows = connection.execute(query).mappings().all()
    if len(rows) > limit:
        last = rows[limit - 1]
        return AuditPage(rows[:limit], AuditPlace(last["created_at"], last["seq"]))
    return AuditPage(rows, _frontier(connection, within) if others else None)


def _conditions(
    wanted: AuditFilter,
) -> tuple[list[ColumnElement[bool]], list[ColumnElement[bool]]]:
    """Return the condition that an index knows, in the order of the log, and all others."""
    exact = (
        (audit_log.c.object_id, wanted.object_id),
        (audit_log.c.action, wanted.action),
        (audit_log.c.actor_id, wanted.actor_id),
        (audit_log.c.object_kind, wanted.kind),
    )
    conditions = [column == value for column, value in exact if value is not None]
    if wanted.outcome is Outcome.REFUSED:
        conditions.append(_IS_REFUSED)
    others = conditions[1:]
    if wanted.outcome is Outcome.DONE:  # which most are, so that no index is kept of it
        others.append(audit_log.c.outcome == Outcome.DONE)
    return conditions[:1], others


def _range(wanted: AuditFilter, after: AuditPlace | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        conditions.append(audit_log.c.created_at >= wanted.since)
    # The nearer of the two ends alone: from the other, an index would be read all the way to it.
    if after is not None and (wanted.until is None or after.created_at < wanted.until):
        place = tuple_(audit_log.c.created_at, audit_log.c.seq)
        conditions.append(place < (after.created_at, after.seq))
    elif wanted.until is not None:
        conditions.append(audit_log.c.created_at < wanted.until)
    return conditions


def _pick(
    within: Sequence[ColumnElement[bool]], others: Sequence[ColumnElement[bool]], limit: int
) -> Subquery:
    """Select the numbers of a page; with other conditions, from a bounded number of entries."""
    if not others:
        return select(audit_log.c.seq).where(*within).order_by(*_ORDER).limit(limit).subquery()
    looked_at = _looked_at(within).add_columns(and_(*others).label("is_wanted")).subquery()
    return (
        select(looked_at.c.seq)
        .where(looked_at.c.is_wanted)
        .order_by(looked_at.c.created_at.desc(), looked_at.c.seq.desc())
        .limit(limit)
        .subquery()
    )


def _looked_at(within: Sequence[ColumnElement[bool]]) -> Select[*tuple[Any, ...]]:
    return (
        select(audit_log.c.seq, audit_log.c.created_at)
        .where(*within)
        .order_by(*_ORDER)
        .limit(MOST_LOOKED_AT)
    )


def _frontier(connection: Connection, within: Sequence[ColumnElement[bool]]) -> AuditPlace | None:
    """Return the last place that a page looked at; None if it looked at all that there are."""
    last = _looked_at(within).offset(MOST_LOOKED_AT - 1).limit(1)
    row = connection.execute(last).one_or_none()
    return None if row is None else AuditPlace(row.created_at, row.seq)
