"""Pages of the audit log, newest first, by the filter of which an index leaves least to look at."""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    literal_column,
    select,
)

from shared.domain.audit import AuditFilter, Outcome
from shared.domain.log_place import LogPlace
from shared.store.engine import read_only, single_statements
from shared.store.log_pages import Log, LogPage
from shared.store.tables import audit_log

_LOG = Log(audit_log.c.created_at, audit_log.c.seq)
_HASHED = literal_column("audit_text(audit_log)").label("hashed")
_IS_REFUSED = audit_log.c.outcome == literal_column(f"'{Outcome.REFUSED}'")
"""No parameter, which would hide from the planner that a partial index holds these rows."""


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
    after: LogPlace | None,
    limit: int,
    with_hashed: bool = False,
) -> LogPage:
    """Return up to `limit` entries that come after a place, or from the newest on.

    `with_hashed`, each has the text `hashed`: its hash is of the hash before it and of that. On a
    connection of `snapshot_for`, so that all statements of a page see the same entries.
    """
    known, others = _conditions(wanted)
    is_of = audit_log.c.workspace_id == workspace_id
    within = [is_of, *known, *_LOG.between(wanted.since, wanted.until, after)]
    entries = select(audit_log, _HASHED) if with_hashed else select(audit_log)
    return _LOG.read(connection, entries.where(is_of), within, others, limit)


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
