-- Runs that were given a place and whose task was never confirmed: their dispatcher was cut off.
-- The name of the task is the same, so that a task that does exist is not made twice.
SELECT
    r.id,
    r.workspace_id,
    w.public_id AS workspace_public_id,
    r.workspace_connector_sync_log_id AS public_id,
    r.idempotency_key,
    r.task_generation,
    r.trigger_type,
    r.not_before_at
FROM workspace_connector_sync_log AS r
JOIN workspace AS w ON w.id = r.workspace_id
WHERE r.status = 'scheduled'
    AND r.enqueued_at IS NULL
    AND r.admitted_at < CAST(:now AS timestamptz) - CAST(:patience AS interval)
ORDER BY r.admitted_at
LIMIT CAST(:page AS integer)
