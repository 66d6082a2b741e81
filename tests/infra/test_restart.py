from sqlalchemy import Engine, text

from infra.local.postgres import PostgresServer
from infra.local.restart import forget_tasks
from tests.factories import at, events_of, make_schedule, make_tenant, runs_of

ENQUEUED = (
    "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
    " trigger_type, idempotency_key, period_at, not_before_at, admitted_at, enqueued_at)"
    " SELECT workspace_id, connector_id, id, 'cloud_task', 'k', :at, :at, :at, :at"
    " FROM sync_schedule"
)


def test_runs_whose_task_went_with_the_last_process_want_a_new_one(
    engine: Engine, database_url: str, postgres_server: PostgresServer
) -> None:
    schedule = make_schedule(engine, make_tenant(engine))
    with engine.begin() as connection:
        connection.execute(text(ENQUEUED), {"at": at("02:00")})

    forget_tasks(postgres_server, database_url.rsplit("/", 1)[1])

    [run] = runs_of(engine, schedule["id"])
    assert (run["status"], run["admitted_at"], run["enqueued_at"]) == ("scheduled", None, None)
    assert events_of(engine, run["id"]) == ["task_lost"]
