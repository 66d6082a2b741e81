-- A run that may not start yet gives its place back and waits in the table for another. Only the
-- newest task of a run says so: an older one, come late, must not replace the task on its way.
WITH waiting AS (
    UPDATE workspace_connector_sync_log
    SET admitted_at = NULL,
        enqueued_at = NULL,
        task_generation = task_generation + 1
    WHERE id = :run_id
        AND status = 'scheduled'
        AND task_generation = coalesce(CAST(:generation AS integer), task_generation)
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
