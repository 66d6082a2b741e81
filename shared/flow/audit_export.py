"""Export the audit log: page by page in its order, in constant memory and no long transaction."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from shared.domain.access import Principal
from shared.domain.audit import AuditFilter
from shared.store.audit_pages import list_audit, snapshot_for
from shared.store.rows import Row

_PAGE = 500


def export_audit(
    engine: Engine, principal: Principal, wanted: AuditFilter, *, page: int = _PAGE
) -> Iterator[Sequence[Row]]:
    """Yield the entries of a filter in pages, newest first, but for those written meanwhile.

    Each has `hashed`, as `list_audit` says.
    """
    place = None
    while True:
        with snapshot_for(engine, wanted) as connection:
            found = list_audit(
                connection,
                principal.workspace_id,
                wanted,
                after=place,
                limit=page,
                with_hashed=True,
            )
        if found.rows:
            yield found.rows
        if found.next_place is None:
            return
        place = found.next_place
