-- The runs of a workspace whose period was reached and whose start is still to come, locked; and
-- those for what sources reported, which have no period.
SELECT
    r.id,
    r.period_at,
    r.not_before_at,
    s.spread_seconds,
    s.blackout_policy,
    c.public_id AS connector_public_id
FROM workspace_connector_sync_log AS r
JOIN sync_schedule AS s ON s.id = r.schedule_id
JOIN workspace_connector AS c ON c.id = r.connector_id
WHERE r.workspace_id = :workspace_id
    AND r.status = 'scheduled'
    AND r.started_at IS NULL
    AND (
        (r.trigger_type = 'cloud_task' AND r.period_at <= CAST(:now AS timestamptz))
        OR r.trigger_type = 'webhook'
    )
    AND r.not_before_at > CAST(:now AS timestamptz)
ORDER BY r.id
LIMIT CAST(:page AS integer)
FOR NO KEY UPDATE OF r
