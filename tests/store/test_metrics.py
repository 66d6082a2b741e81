"""What the function of the metrics counts over all workspaces."""

import pytest
from sqlalchemy import Engine, text

from shared.store.engine import create_engine_for
from shared.store.tenancy import DatabaseRole
from tests.conftest import DatabaseUrlOf
from tests.factories import make_tenant

COUNTED = 10_001
WAIT = text(
    "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, trigger_type,"
    " idempotency_key, period_at, not_before_at)"
    " SELECT :w, n, CASE WHEN :is_planned THEN 'cloud_task' ELSE 'manual' END, gen_random_uuid(),"
    " CASE WHEN :is_planned THEN now() END, now() - :age * interval '1 second'"
    " FROM generate_series(1, :runs) AS n"
)


@pytest.mark.parametrize("is_planned", [True, False])
def test_the_oldest_run_that_waits_is_told_however_long_the_line_of_another_workspace_is(
    engine: Engine, database_url_of: DatabaseUrlOf, is_planned: bool
) -> None:
    first, second, third = (make_tenant(engine).workspace_id for _ in range(3))
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for workspace, runs, age in ((first, COUNTED, 60), (second, 1, 7_200), (third, 1, -60)):
            values = {"w": workspace, "runs": runs, "age": age, "is_planned": is_planned}
            connection.execute(WAIT, values)
            is_planned = True
    api = create_engine_for(database_url_of("api"), role=DatabaseRole.APP)
    with api.connect() as connection:
        query = text("SELECT metric, value FROM syncline_metrics() WHERE metric LIKE '%overdue%'")
        told = {row.metric: row.value for row in connection.execute(query)}
    api.dispose()
    assert told["runs_overdue"] == COUNTED
    assert told["oldest_overdue_seconds"] >= 7_200
