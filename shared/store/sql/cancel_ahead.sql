-- Cancel the runs of some schedules that were planned ahead, for periods that are not reached yet;
-- planning may take them up again. Where the schedules halt, also runs of earlier periods that did
-- not start and would do so before the halt's end.
WITH ahead AS (
    SELECT r.id
    FROM sync_schedule AS s
    JOIN workspace_connector_sync_log AS r
        ON r.connector_id = s.connector_id AND r.schedule_id = s.id
    WHERE s.id = ANY(CAST(:ids AS bigint []))
        AND r.status = 'scheduled'
        AND r.trigger_type = 'cloud_task'
        AND r.started_at IS NULL
        AND (
            r.period_at > CAST(:now AS timestamptz)
            OR greatest(r.not_before_at, CAST(:now AS timestamptz))
            < CAST(:halted_until AS timestamptz)
        )
    ORDER BY r.id
    FOR NO KEY UPDATE OF r
),

cancelled AS (
    UPDATE workspace_connector_sync_log AS r
    SET status = 'cancelled',
        reason = :reason,
        completed_at = CAST(:now AS timestamptz)
    FROM ahead AS a
    WHERE r.id = a.id
    RETURNING r.id, r.workspace_id
)

INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
SELECT
    c.workspace_id,
    c.id,
    CAST(:now AS timestamptz),
    'cancelled',
    jsonb_build_object('reason', CAST(:reason AS text))
FROM cancelled AS c
RETURNING run_id
