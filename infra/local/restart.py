"""What a start on kept data has to know: the local Cloud Tasks begins empty."""

import pg8000.native

from infra.local.postgres import PostgresServer

_FORGET_TASKS = """
WITH forgotten AS (
    UPDATE workspace_connector_sync_log
    SET enqueued_at = NULL, admitted_at = NULL
    WHERE status = 'scheduled' AND enqueued_at IS NOT NULL
    RETURNING id, workspace_id, task_generation
)
INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
SELECT workspace_id, id, now(), 'task_lost', jsonb_build_object('generation', task_generation)
FROM forgotten
"""
"""Their tasks went with the last process. Rescue would find that out too, minutes later."""


def forget_tasks(postgres: PostgresServer, database: str) -> None:
    """Let every run that waits for its task be enqueued again by the next tick."""
    connection = pg8000.native.Connection(
        "postgres", host="127.0.0.1", port=postgres.port, database=database, timeout=10
    )
    try:
        connection.run(_FORGET_TASKS)
    finally:
        connection.close()
