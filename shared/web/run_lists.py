"""/api/v2/runs: the runs of the workspace, newest first, by what they have in common."""

from http import HTTPStatus
from typing import Any

from shared.domain.access import Role
from shared.domain.run_filter import RunFilter
from shared.errors import NotFoundError
from shared.store.engine import single_statements
from shared.store.run_pages import find_scope, list_runs, snapshot_for
from shared.web.auth import principal, wiring
from shared.web.log_places import decode_place, encode_place
from shared.web.operations import Answers, Link, Takes
from shared.web.present import present_run
from shared.web.routes import Routes
from shared.web.run_queries import HistoryQuery, RunsQuery, filter_of
from shared.web.shapes.runs import Runs

routes = Routes("run_lists", "/api/v2/runs", tag="Runs")


@routes.on(
    "GET",
    "",
    "list_runs",
    Role.VIEWER,
    Answers(
        HTTPStatus.OK,
        Runs,
        {HTTPStatus.NOT_FOUND: ("not_found",)},
        links=(Link("read_run", {"run": "/items/0/id"}),),
    ),
    Takes(query=RunsQuery),
)
def browse(query: RunsQuery) -> dict[str, Any]:
    """List the runs of the workspace, newest first, also those of deleted schedules.

    A page may be short, or empty, while `next_cursor` is not null: where no index knows the whole
    filter, a page looks at 5,000 runs and no more.
    """
    return page_of_runs(filter_of(query), query)


def page_of_runs(wanted: RunFilter, query: HistoryQuery) -> dict[str, Any]:
    """Return a page of runs; raise `NotFoundError` if the filter names what is not there."""
    with single_statements(wiring().engine) as connection:
        scope = find_scope(connection, principal().workspace_id, wanted)
        if scope is None:
            raise NotFoundError("There is no such connector or schedule.")
    with snapshot_for(wiring().engine, scope) as connection:
        page = list_runs(connection, scope, after=decode_place(query.cursor), limit=query.limit)
    return {
        "items": [present_run(row) for row in page.rows],
        "next_cursor": encode_place(page.next_place),
    }
