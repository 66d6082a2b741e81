-- Schedules that show as running for too long while no run of theirs is in progress or waits for
-- another attempt (running_status_timeout_guard). Nothing should leave them so; if it does, it ends.
WITH stale AS (
    SELECT s.id
    FROM sync_schedule AS s
    WHERE s.last_run_status = 'running'
        AND s.last_run_at < CAST(:now AS timestamptz) - CAST(:patience AS interval)
        AND NOT EXISTS (
            SELECT FROM workspace_connector_sync_log AS r
            WHERE r.connector_id = s.connector_id AND r.status = 'in_progress'
        )
        AND NOT EXISTS (
            SELECT FROM workspace_connector_sync_log AS r
            WHERE r.connector_id = s.connector_id AND r.status = 'scheduled' AND r.started_at IS NOT NULL
        )
    ORDER BY s.last_run_at
    LIMIT CAST(:page AS integer)
    FOR NO KEY UPDATE SKIP LOCKED
)

UPDATE sync_schedule AS s
SET last_run_status = 'failed',
    last_run_error = 'The run did not end within '
        || CAST(extract(EPOCH FROM CAST(:patience AS interval)) / 3600 AS integer) || ' hours.'
FROM stale
WHERE s.id = stale.id
RETURNING s.id
