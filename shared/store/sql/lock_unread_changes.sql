-- What is unread of some connectors and due for a look, locked, with what decides whether a run has
-- to be written: what keeps the connector from running, the start of a run that will read it or is
-- reading it, whether any is in progress, and how the newest one ended. A retry does not read it, as
-- it is about an instant before.
SELECT
    u.connector_id,
    u.workspace_id,
    u.reported_at,
    u.runs,
    c.public_id AS connector_public_id,
    CASE WHEN c.deleted_at IS NULL THEN c.status ELSE 'disabled' END AS connector_status,
    s.id AS schedule_id,
    (s.frequency = 'realtime') IS TRUE AS is_heard,
    s.is_enabled,
    s.paused_until,
    s.max_attempts,
    (
        SELECT min(r.not_before_at)
        FROM workspace_connector_sync_log AS r
        WHERE r.connector_id = u.connector_id
            AND r.nominal_at IS NULL
            AND (
                (
                    r.status = 'scheduled'
                    AND r.trigger_type <> 'cloud_task'
                    AND r.slices = 0
                    AND r.positions = CAST('{}' AS jsonb)
                )
                OR (
                    r.status IN ('scheduled', 'in_progress')
                    AND r.reading_since > u.reported_at
                )
            )
    ) AS read_from,
    EXISTS (
        SELECT FROM workspace_connector_sync_log AS r
        WHERE r.connector_id = u.connector_id AND r.status = 'in_progress'
    ) AS is_running,
    last_run.completed_at AS last_completed_at,
    -- A run that never began says nothing of the source, whatever was reported before its end.
    (last_run.reading_since IS NULL OR u.reported_at >= last_run.reading_since) AS is_news,
    CASE
        WHEN last_run.status = 'success' AND u.reported_at < last_run.reading_since THEN ARRAY(
            SELECT f.value ->> 'code'
            FROM jsonb_each(last_run.metadata -> 'failed_streams') AS f
        )
        -- What came after a run began that succeeds, also in part, waits for none of its streams.
        WHEN coalesce(last_run.status, 'success') = 'success' THEN CAST(ARRAY[] AS text [])
        ELSE ARRAY[last_run.reason]
    END AS last_shortfalls
FROM unread_change AS u
JOIN workspace_connector AS c ON c.id = u.connector_id
LEFT JOIN sync_schedule AS s ON s.connector_id = u.connector_id
LEFT JOIN LATERAL (
    SELECT
        r.status,
        r.reason,
        r.completed_at,
        r.reading_since,
        r.metadata
    FROM workspace_connector_sync_log AS r
    WHERE r.connector_id = u.connector_id AND r.completed_at IS NOT NULL
    ORDER BY r.created_at DESC, r.id DESC
    LIMIT 1
) AS last_run ON true
WHERE u.connector_id = ANY(CAST(:connectors AS bigint []))
    AND u.look_at <= CAST(:now AS timestamptz)
ORDER BY u.connector_id
FOR NO KEY UPDATE OF u
