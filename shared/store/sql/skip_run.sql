-- End a run that may not start, or not again, with the reason.
WITH instant AS (
    SELECT coalesce(CAST(:now AS timestamptz), statement_timestamp()) AS at
),

ended AS (
    UPDATE workspace_connector_sync_log
    SET status = 'skipped',
        reason = :reason,
        next_attempt_at = NULL,
        completed_at = (SELECT at FROM instant),
        duration_ms = CASE
            WHEN started_at IS NULL THEN NULL
            ELSE greatest(
                0, CAST(extract(EPOCH FROM (SELECT at FROM instant) - started_at) * 1000 AS bigint)
            )
        END
    WHERE id = :run_id AND status = 'scheduled'
    RETURNING id, workspace_id, schedule_id, started_at, error
),

-- A run that had started shows on its schedule, and would for ever show as running.
shown AS (
    UPDATE sync_schedule AS s
    SET last_run_status = 'failed',
        last_run_error = coalesce(e.error, 'The run was skipped: ' || CAST(:reason AS text))
    FROM ended AS e
    -- Unless it shows a newer run by now.
    WHERE s.id = e.schedule_id AND s.last_run_at = e.started_at
)

INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
SELECT
    e.workspace_id,
    e.id,
    (SELECT at FROM instant),
    'skipped',
    jsonb_build_object('reason', CAST(:reason AS text))
FROM ended AS e
