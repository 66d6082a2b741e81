-- Runs of a workspace that wait, by their start, from three indexes that have them in this order.
WITH unplaced AS (
    SELECT r.id, r.not_before_at
    FROM workspace_connector_sync_log AS r
    WHERE r.workspace_id = :workspace_id
        AND r.status = 'scheduled'
        AND r.admitted_at IS NULL
        AND (r.trigger_type = 'cloud_task') = true
        AND r.not_before_at <= CAST(:until AS timestamptz)
    ORDER BY (r.trigger_type = 'cloud_task'), r.not_before_at, r.id
    LIMIT CAST(:page AS integer)
),

unplaced_interactive AS (
    SELECT r.id, r.not_before_at
    FROM workspace_connector_sync_log AS r
    WHERE r.workspace_id = :workspace_id
        AND r.status = 'scheduled'
        AND r.admitted_at IS NULL
        AND (r.trigger_type = 'cloud_task') = false
        AND r.not_before_at <= CAST(:until AS timestamptz)
    ORDER BY (r.trigger_type = 'cloud_task'), r.not_before_at, r.id
    LIMIT CAST(:page AS integer)
),

placed AS (
    SELECT r.id, r.not_before_at
    FROM workspace_connector_sync_log AS r
    WHERE r.workspace_id = :workspace_id
        AND r.status = 'scheduled'
        AND r.admitted_at IS NOT NULL
        AND r.completed_at IS NULL
        AND r.not_before_at <= CAST(:until AS timestamptz)
    ORDER BY r.not_before_at
    LIMIT CAST(:page AS integer)
),

picked AS (
    SELECT * FROM unplaced
    UNION ALL
    SELECT * FROM unplaced_interactive
    UNION ALL
    SELECT * FROM placed
    ORDER BY not_before_at, id
    LIMIT CAST(:page AS integer)
)

SELECT
    r.workspace_connector_sync_log_id AS public_id,
    r.trigger_type,
    r.period_at,
    r.not_before_at,
    r.attempt,
    c.public_id AS connector_public_id,
    c.name AS connector_name,
    s.public_id AS schedule_public_id,
    s.name AS schedule_name
FROM picked AS p
JOIN workspace_connector_sync_log AS r ON r.id = p.id
JOIN workspace_connector AS c ON c.id = r.connector_id
LEFT JOIN sync_schedule AS s ON s.id = r.schedule_id
ORDER BY p.not_before_at, p.id
