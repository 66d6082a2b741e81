-- Cancel the runs of some schedules that were planned ahead, for periods that are not reached yet;
-- planning may take them up again. Where the schedules halt, also runs of earlier periods that did
-- not start and would do so before the halt's end, and runs of webhooks that have read nothing yet,
-- be it that an attempt of theirs failed: what was reported waits for the halt's end.
WITH ahead AS (
    SELECT r.id
    FROM sync_schedule AS s
    JOIN workspace_connector_sync_log AS r
        ON r.connector_id = s.connector_id AND r.schedule_id = s.id
    WHERE s.id = ANY(CAST(:ids AS bigint []))
        AND r.status = 'scheduled'
        AND (
            (r.trigger_type = 'cloud_task' AND r.started_at IS NULL)
            OR (
                r.trigger_type = 'webhook'
                AND r.slices = 0
                AND r.positions = CAST('{}' AS jsonb)
            )
        )
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
        next_attempt_at = NULL,
        completed_at = CAST(:now AS timestamptz),
        duration_ms = CASE
            WHEN r.started_at IS NULL THEN NULL
            ELSE greatest(
                0,
                CAST(extract(EPOCH FROM CAST(:now AS timestamptz) - r.started_at) * 1000 AS bigint)
            )
        END
    FROM ahead AS a
    WHERE r.id = a.id
    RETURNING r.id, r.workspace_id, r.schedule_id, r.started_at
),

-- The schedule may show another run of its connector by now: that one goes on showing.
shown AS (
    UPDATE sync_schedule AS s
    SET last_run_status = 'failed',
        last_run_error = CAST(:sentence AS text)
    FROM cancelled AS c
    WHERE s.id = c.schedule_id AND s.last_run_at = c.started_at
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
