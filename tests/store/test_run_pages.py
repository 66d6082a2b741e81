"""Pages of the log read what they show and no more, whatever filter, at any depth."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event, text

from shared.domain.log_place import LogPlace
from shared.domain.run import RunStatus, TriggerType
from shared.domain.run_filter import RunFilter
from shared.store.engine import create_engine_for
from shared.store.log_pages import MOST_LOOKED_AT
from shared.store.run_pages import RunScope, list_runs
from tests.factories import make_tenant

RUNS = 60_000
PAGE = 50

WRITE = text(
    "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
    " trigger_type, idempotency_key, period_at, not_before_at, status, reason, started_at,"
    " completed_at, duration_ms, created_at)"
    " SELECT c.workspace_id, c.id, s.id, CASE WHEN mod(n, 100) = 0 THEN 'manual' ELSE 'cloud_task'"
    " END, 'k' || n, CASE WHEN mod(n, 100) = 0 THEN NULL ELSE at END, at,"
    " CASE WHEN mod(n, 20) = 0 THEN 'error' ELSE 'success' END,"
    " CASE WHEN mod(n, 20) = 0 THEN 'authorization' END, at, at, 0, at"
    " FROM (SELECT n, now() - n * interval '1 second' AS at"
    " FROM generate_series(1, :runs) AS n) AS r"
    " JOIN workspace_connector AS c ON c.id = :first + mod(n, 4)"
    " JOIN sync_schedule AS s ON s.connector_id = c.id"
)


@pytest.fixture(scope="module")
def full(postgres_server, template_database) -> Iterator[tuple[Engine, int, int]]:  # noqa: ANN001
    """Return a database with many runs of one workspace, its key and that of a connector."""
    name = "test_run_pages"
    postgres_server.create_database(name, template=template_database)
    engine = create_engine_for(postgres_server.url(name))
    workspace_id = make_tenant(engine).workspace_id
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
                " SELECT :w, 'database', 'c' || n, '{}' FROM generate_series(1, 4) AS n"
            ),
            {"w": workspace_id},
        )
        connection.execute(
            text(
                "INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency, timezone)"
                " SELECT workspace_id, id, name, 'manual', 'UTC' FROM workspace_connector"
            )
        )
        query = text("SELECT min(id) FROM workspace_connector")
        first = connection.execute(query).scalar_one()
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(WRITE, {"runs": RUNS, "first": first})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))
    yield engine, workspace_id, first
    engine.dispose()
    postgres_server.drop_database(name)


_EXPLAIN = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS) "

FILTERS = {
    "all": (RunFilter(), {}),
    "of a connector": (RunFilter(), {"connector_id"}),
    "of a schedule": (RunFilter(), {"schedule_id"}),
    "by status": (RunFilter(status=RunStatus.ERROR), {}),
    "by the usual status": (RunFilter(status=RunStatus.SUCCESS), {}),
    "by reason": (RunFilter(reason="authorization"), {}),
    "by trigger": (RunFilter(trigger=TriggerType.MANUAL), {}),
    "by the usual trigger": (RunFilter(trigger=TriggerType.CLOUD_TASK), {}),
    "by status and reason": (RunFilter(status=RunStatus.ERROR, reason="authorization"), {}),
    "of a connector by status": (RunFilter(status=RunStatus.ERROR), {"connector_id"}),
    "by what is nowhere": (RunFilter(status=RunStatus.CANCELLED, reason="authorization"), {}),
}


@pytest.mark.parametrize("depth", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("name", FILTERS)
def test_a_page_scans_no_table_and_handles_no_more_rows_than_it_may(
    full: tuple[Engine, int, int], name: str, depth: float
) -> None:
    engine, workspace_id, first = full
    wanted, keys = FILTERS[name]
    scope = RunScope(workspace_id, wanted, **dict.fromkeys(keys, first))
    for plan in _plans(engine, scope, depth):
        _require_cheap(plan)


def test_a_deep_page_before_an_instant_is_not_read_from_that_instant_on(
    full: tuple[Engine, int, int],
) -> None:
    engine, workspace_id, _ = full
    scope = RunScope(workspace_id, RunFilter(until=datetime.now(UTC) + timedelta(days=1)))
    first, deep = (
        sum(map(int, re.findall(r"Buffers: shared hit=(\d+)", plan)))
        for depth in (0.0, 0.99)
        for plan in _plans(engine, scope, depth)
    )
    assert deep < 1.5 * first, (first, deep)


def _plans(engine: Engine, scope: RunScope, depth: float) -> list[str]:
    """Return the plans, as carried out, of the statements of a page that deep in the runs."""
    statements: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, sql: str, parameters: object, *_: object) -> None:
        statements.append((sql, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        with engine.connect() as connection:
            now = connection.execute(text("SELECT now()")).scalar_one()
            deep = LogPlace(now - timedelta(seconds=int(RUNS * depth)), 2**40)
            statements.clear()
            list_runs(connection, scope, after=deep if depth else None, limit=PAGE)
            return [
                "\n".join(connection.exec_driver_sql(_EXPLAIN + sql, parameters).scalars())
                for sql, parameters in list(statements)
            ]
    finally:
        event.remove(engine, "before_cursor_execute", note)


def _require_cheap(plan: str) -> None:
    assert "Seq Scan on workspace_connector_sync_log" not in plan, plan
    # Sorts included: what is sorted has been read.
    read = [int(rows) for rows in re.findall(r"rows=(\d+)", plan.replace(".00", ""))]
    assert max(read) <= MOST_LOOKED_AT, plan
    removed = re.findall(r"Rows Removed by (?:Filter|Index Recheck): (\d+)", plan)
    assert sum(map(int, removed)) <= MOST_LOOKED_AT, plan
