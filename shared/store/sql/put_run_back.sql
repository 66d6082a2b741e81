-- A run that may not start yet gives its place back and waits in the table for another.
WITH waiting AS (
    UPDATE workspace_connector_sync_log
    SET admitted_at = NULL,
        enqueued_at = NULL,
        task_generation = task_generation + 1
    WHERE id = :run_id AND status = 'scheduled'
    RETURNING id, workspace_id
)

INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
SELECT
    w.workspace_id,
    w.id,
    coalesce(CAST(:now AS timestamptz), statement_timestamp()),
    'put_back',
    jsonb_build_object('reason', CAST(:reason AS text))
FROM waiting AS w
