-- How a workspace is: what is late, what is stuck, how punctual its last runs were. Every count ends
-- at `most`, and every part has an index that knows what it looks for.
WITH due AS (
    SELECT r.not_before_at
    FROM workspace_connector_sync_log AS r
    WHERE r.workspace_id = :workspace_id
        AND r.status = 'scheduled'
        AND r.admitted_at IS NULL
        AND r.not_before_at <= CAST(:now AS timestamptz)
    ORDER BY (r.trigger_type = 'cloud_task'), r.not_before_at
    LIMIT CAST(:most AS integer)
),

placed AS (
    SELECT
        r.not_before_at,
        r.status,
        r.lease_expires_at,
        r.enqueued_at
    FROM workspace_connector_sync_log AS r
    WHERE r.workspace_id = :workspace_id
        AND r.admitted_at IS NOT NULL
        AND r.completed_at IS NULL
        AND r.not_before_at <= CAST(:now AS timestamptz)
    ORDER BY r.not_before_at
    LIMIT CAST(:most AS integer)
),

newest AS (
    SELECT CAST(r.metadata ->> 'drift_ms' AS bigint) AS drift_ms
    FROM workspace_connector_sync_log AS r
    WHERE r.workspace_id = :workspace_id
        AND r.created_at >= CAST(:now AS timestamptz) - CAST(:recent AS interval)
    ORDER BY r.created_at DESC, r.id DESC
    LIMIT CAST(:most AS integer)
),

unhealthy AS (
    SELECT c.id
    FROM workspace_connector AS c
    WHERE c.workspace_id = :workspace_id AND c.health = 'unhealthy' AND c.deleted_at IS NULL
    ORDER BY c.id
    LIMIT CAST(:most AS integer)
),

unread AS (
    SELECT u.unread_since
    FROM unread_change AS u
    JOIN sync_schedule AS s ON s.connector_id = u.connector_id
    WHERE u.workspace_id = :workspace_id AND s.frequency = 'realtime'
    ORDER BY u.unread_since
    LIMIT CAST(:most AS integer)
)

SELECT
    (SELECT max(t.completed_at) FROM (
        SELECT completed_at FROM tick ORDER BY as_of DESC LIMIT 5
    ) AS t) AS last_tick_at,
    (
        (SELECT count(*) FROM due)
        + (SELECT count(*) FROM placed AS p WHERE p.status = 'scheduled')
    ) AS backlog,
    least(
        (SELECT min(d.not_before_at) FROM due AS d),
        (SELECT min(p.not_before_at) FROM placed AS p WHERE p.status = 'scheduled')
    ) AS oldest_overdue_at,
    (SELECT count(*) FROM placed AS p WHERE p.status = 'in_progress') AS in_progress,
    (
        SELECT count(*)
        FROM placed AS p
        WHERE p.lease_expires_at < CAST(:now AS timestamptz) - CAST(:patience AS interval)
            OR (
                p.status = 'scheduled'
                AND greatest(p.enqueued_at, p.not_before_at)
                < CAST(:now AS timestamptz) - CAST(:task_patience AS interval)
            )
    ) AS stuck,
    (SELECT count(*) FROM newest AS n WHERE n.drift_ms IS NOT NULL) AS started,
    (SELECT max(n.drift_ms) FROM newest AS n) AS max_drift_ms,
    (
        SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY n.drift_ms)
        FROM newest AS n
        WHERE n.drift_ms IS NOT NULL
    ) AS median_drift_ms,
    (SELECT count(*) FROM unhealthy) AS unhealthy_connectors,
    (SELECT count(*) FROM unread) AS unread_changes,
    (SELECT min(u.unread_since) FROM unread AS u) AS oldest_unread_at
