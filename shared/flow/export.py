"""Export runs: page by page in the order of the log, in constant memory and no long transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from shared.domain.access import Principal
from shared.domain.run_filter import RunFilter
from shared.errors import NotFoundError
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.store.run_pages import RunScope, find_scope, list_runs, snapshot_for
from shared.store.ticks import as_of
from shared.store.workspace_settings import find_settings

_PAGE = 500


def export_runs(
    engine: Engine, principal: Principal, wanted: RunFilter, *, page: int = _PAGE
) -> Iterator[Sequence[Row]]:
    """Yield the runs of a filter in pages, newest first, back to the end of the retention.

    Raises `NotFoundError` at once if the filter names what the workspace does not have. Each page
    is a statement of its own: a slow reader holds nothing up, and runs that are written meanwhile
    are left out, since the order goes back in time.
    """
    with single_statements(engine) as connection:
        settings = find_settings(connection, principal.workspace_id)
        oldest = as_of(connection, None) - timedelta(days=settings["retention_days"])
        bounded = replace(wanted, since=_later(oldest, wanted.since))
        scope = find_scope(connection, principal.workspace_id, bounded)
    if scope is None:
        raise NotFoundError("There is no such connector or schedule.")
    return _pages(engine, scope, page)


def _pages(engine: Engine, scope: RunScope, size: int) -> Iterator[Sequence[Row]]:
    place = None
    while True:
        with snapshot_for(engine, scope) as connection:
            found = list_runs(connection, scope, after=place, limit=size)
        if found.rows:
            yield found.rows
        if found.next_place is None:
            return
        place = found.next_place


def _later(first: datetime, second: datetime | None) -> datetime:
    return first if second is None else max(first, second)
