-- End runs that wait or are in progress: in one statement the run, its timeline, and its schedule
-- where it shows the run. The fence and the generation grow, so that neither a worker in the middle
-- of a run nor a task on its way counts any more. Runs that ended already stay.
WITH doomed AS (
    SELECT r.id
    FROM workspace_connector_sync_log AS r
    WHERE r.id = ANY(CAST(:ids AS bigint [])) AND r.status IN ('scheduled', 'in_progress')
    ORDER BY r.id
    FOR NO KEY UPDATE OF r
),

cancelled AS (
    UPDATE workspace_connector_sync_log AS r
    SET status = 'cancelled',
        reason = :reason,
        lease_expires_at = NULL,
        next_attempt_at = NULL,
        fence = r.fence + 1,
        task_generation = r.task_generation + 1,
        completed_at = CAST(:now AS timestamptz),
        duration_ms = CASE
            WHEN r.started_at IS NULL THEN NULL
            ELSE greatest(
                0,
                CAST(
                    extract(EPOCH FROM CAST(:now AS timestamptz) - r.started_at) * 1000 AS bigint
                )
            )
        END
    FROM doomed AS d
    WHERE r.id = d.id
    RETURNING r.id, r.workspace_id, r.schedule_id, r.started_at, r.records_processed
),

-- The schedule may show another run of its connector by now: that one goes on showing.
shown AS (
    UPDATE sync_schedule AS s
    SET last_run_status = 'failed',
        last_run_error = :sentence,
        last_run_records_synced = coalesce(c.records_processed, s.last_run_records_synced)
    FROM cancelled AS c
    WHERE s.id = c.schedule_id AND s.last_run_at = c.started_at
)

INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
SELECT
    c.workspace_id,
    c.id,
    CAST(:now AS timestamptz),
    'cancelled',
    CAST(:detail AS jsonb)
FROM cancelled AS c
RETURNING run_id
