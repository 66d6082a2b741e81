-- Runs whose worker fell silent: another attempt while there is one left and the last did not begin
-- too long ago (running_status_timeout_guard), else the end. A worker that keeps its lease is never
-- touched, however long it takes. The waits are those of the attempts that failed: neighbours that
-- went down together do not come back together.
-- The schedule shows what became of the run in the same statement.
WITH expired AS (
    SELECT
        r.id,
        CAST(:now AS timestamptz) + w.wait AS next_attempt_at,
        (
            r.attempt < r.max_attempts
            AND coalesce(r.leased_at, r.started_at) >= CAST(:now AS timestamptz) - CAST(:patience AS interval)
        ) AS goes_on
    FROM jsonb_to_recordset(CAST(:waits AS jsonb)) AS w (run_id bigint, fence bigint, wait interval)
    JOIN workspace_connector_sync_log AS r ON r.id = w.run_id
    WHERE r.status = 'in_progress'
        AND r.fence = w.fence
        AND r.lease_expires_at < CAST(:now AS timestamptz)
    ORDER BY r.lease_expires_at
    FOR NO KEY UPDATE OF r SKIP LOCKED
),

rescued AS (
    UPDATE workspace_connector_sync_log AS r
    SET status = CASE WHEN expired.goes_on THEN 'scheduled' ELSE 'error' END,
        fence = r.fence + 1,
        lease_expires_at = NULL,
        admitted_at = NULL,
        enqueued_at = NULL,
        task_generation = r.task_generation + 1,
        not_before_at = CASE
            WHEN expired.goes_on THEN expired.next_attempt_at ELSE r.not_before_at
        END,
        next_attempt_at = CASE
            WHEN expired.goes_on THEN expired.next_attempt_at
        END,
        reason = CASE WHEN expired.goes_on THEN NULL ELSE 'timed_out' END,
        error = 'The worker stopped answering during attempt ' || r.attempt || '.',
        completed_at = CASE
            WHEN expired.goes_on THEN NULL ELSE CAST(:now AS timestamptz)
        END,
        duration_ms = CASE
            WHEN expired.goes_on THEN NULL
            ELSE greatest(
                0,
                CAST(
                    extract(EPOCH FROM CAST(:now AS timestamptz) - r.started_at) * 1000 AS bigint
                )
            )
        END
    FROM expired
    WHERE r.id = expired.id
    RETURNING r.id, r.workspace_id, r.schedule_id, r.status, r.attempt, r.error
),

shown AS (
    UPDATE sync_schedule AS s
    SET last_run_status = 'failed',
        last_run_error = x.error
    FROM rescued AS x
    WHERE s.id = x.schedule_id AND x.status = 'error'
)

INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
SELECT
    x.workspace_id,
    x.id,
    CAST(:now AS timestamptz),
    CASE WHEN x.status = 'error' THEN 'failed' ELSE 'lease_expired' END,
    jsonb_build_object('attempt', x.attempt)
FROM rescued AS x
RETURNING run_id
