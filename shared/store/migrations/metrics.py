"""The figures of the deployment as a whole, which the api may read and no row behind them."""

# The api's login sees one workspace at a time. The function counts over all of them as the owner of
# the tables, names none of them, and takes nothing from its caller. Every count ends at 10,001.
_FUNCTION = """
CREATE FUNCTION syncline_metrics()
RETURNS TABLE (metric text, label text, value double precision)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
WITH RECURSIVE last_tick AS (
    SELECT t.completed_at, t.duration_ms, t.drift_ms, t.is_complete
    FROM (SELECT * FROM tick ORDER BY as_of DESC LIMIT 5) AS t
    WHERE t.completed_at IS NOT NULL
    ORDER BY t.as_of DESC
    LIMIT 1
),
hour_of_ticks AS (
    SELECT * FROM tick WHERE as_of >= now() - interval '1 hour' ORDER BY as_of DESC LIMIT 1000
),
enqueued AS (
    SELECT r.not_before_at FROM workspace_connector_sync_log AS r
    WHERE r.status = 'scheduled' AND r.enqueued_at IS NOT NULL AND r.not_before_at <= now()
    ORDER BY r.not_before_at LIMIT 10001
),
-- The first in the line of each workspace for a place, of its interactive runs and of the others.
first_in_line AS (
    (
        SELECT r.workspace_id, r.trigger_type = 'cloud_task' AS is_planned, r.not_before_at
        FROM workspace_connector_sync_log AS r
        WHERE r.status = 'scheduled' AND r.admitted_at IS NULL
        ORDER BY r.workspace_id, (r.trigger_type = 'cloud_task'), r.not_before_at, r.id LIMIT 1
    )
    UNION ALL
    SELECT n.workspace_id, n.is_planned, n.not_before_at
    FROM first_in_line AS f
    CROSS JOIN LATERAL (
        SELECT r.workspace_id, r.trigger_type = 'cloud_task' AS is_planned, r.not_before_at
        FROM workspace_connector_sync_log AS r
        WHERE r.status = 'scheduled' AND r.admitted_at IS NULL
            AND (r.workspace_id, (r.trigger_type = 'cloud_task')) > (f.workspace_id, f.is_planned)
        ORDER BY r.workspace_id, (r.trigger_type = 'cloud_task'), r.not_before_at, r.id LIMIT 1
    ) AS n
),
oldest_in_line AS (
    SELECT min(not_before_at) AS not_before_at
    FROM (SELECT not_before_at FROM first_in_line LIMIT 10001) AS f
    WHERE not_before_at <= now()
),
in_line AS (
    SELECT r.not_before_at FROM workspace_connector_sync_log AS r
    WHERE r.status = 'scheduled' AND r.admitted_at IS NULL AND r.not_before_at <= now()
    ORDER BY r.workspace_id, (r.trigger_type = 'cloud_task'), r.not_before_at, r.id LIMIT 10001
),
leased AS (
    SELECT r.lease_expires_at FROM workspace_connector_sync_log AS r
    WHERE r.status = 'in_progress' ORDER BY r.lease_expires_at LIMIT 10001
),
newest AS (
    SELECT r.status, r.created_at FROM workspace_connector_sync_log AS r
    ORDER BY r.id DESC LIMIT 10000
)
SELECT 'last_tick_timestamp_seconds', '', CAST(extract(EPOCH FROM completed_at) AS float8)
FROM last_tick
UNION ALL SELECT 'last_tick_duration_seconds', '', duration_ms / 1000.0 FROM last_tick
UNION ALL SELECT 'last_tick_drift_seconds', '', drift_ms / 1000.0 FROM last_tick
UNION ALL SELECT 'last_tick_complete', '', CAST(CAST(is_complete AS int) AS float8) FROM last_tick
UNION ALL SELECT 'ticks_begun_total', '', CAST(coalesce(max(id), 0) AS float8)
FROM (SELECT id FROM tick ORDER BY id DESC LIMIT 1) AS t
UNION ALL SELECT 'hour_max_drift_seconds', '', coalesce(max(drift_ms), 0) / 1000.0
FROM hour_of_ticks
UNION ALL SELECT 'hour_runs', 'claimed', CAST(coalesce(sum(claimed), 0) AS float8)
FROM hour_of_ticks
UNION ALL SELECT 'hour_runs', 'skipped', CAST(coalesce(sum(skipped), 0) AS float8)
FROM hour_of_ticks
UNION ALL SELECT 'hour_runs', 'enqueued', CAST(coalesce(sum(enqueued), 0) AS float8)
FROM hour_of_ticks
UNION ALL SELECT 'hour_runs', 'rescued', CAST(coalesce(sum(rescued), 0) AS float8)
FROM hour_of_ticks
UNION ALL SELECT 'hour_runs', 'not_enqueued', CAST(coalesce(sum(enqueue_failures), 0) AS float8)
FROM hour_of_ticks
UNION ALL SELECT 'runs_written_total', '', CAST(coalesce(max(id), 0) AS float8)
FROM (SELECT id FROM workspace_connector_sync_log ORDER BY id DESC LIMIT 1) AS r
UNION ALL SELECT 'runs_overdue', '', CAST(count(*) AS float8)
FROM (SELECT FROM enqueued UNION ALL SELECT FROM in_line) AS w
UNION ALL SELECT 'oldest_overdue_seconds', '',
    CAST(coalesce(extract(EPOCH FROM now() - min(not_before_at)), 0) AS float8)
FROM (
    SELECT not_before_at FROM oldest_in_line
    UNION ALL (SELECT not_before_at FROM enqueued ORDER BY not_before_at LIMIT 1)
) AS w
UNION ALL SELECT 'runs_in_progress', '', CAST(count(*) AS float8) FROM leased
UNION ALL SELECT 'leases_expired', '', CAST(count(*) AS float8) FROM leased
WHERE lease_expires_at < now()
UNION ALL SELECT 'recent_runs', n.status, CAST(count(*) AS float8)
FROM newest AS n WHERE n.created_at >= now() - interval '15 minutes' GROUP BY n.status
UNION ALL SELECT 'schedules_overdue', '', CAST(count(*) AS float8)
FROM (
    SELECT 1 FROM sync_schedule WHERE next_scheduled_at < now() - interval '1 minute' LIMIT 10001
) AS s
UNION ALL SELECT 'connectors_unhealthy', '', CAST(count(*) AS float8)
FROM (
    SELECT 1 FROM workspace_connector
    WHERE health = 'unhealthy' AND deleted_at IS NULL LIMIT 10001
) AS c
UNION ALL SELECT 'workers_alive', '', CAST(count(*) AS float8)
FROM worker_instance WHERE last_seen_at >= now() - interval '10 minutes'
$$
"""

METRICS = (
    _FUNCTION,
    "REVOKE ALL ON FUNCTION syncline_metrics() FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION syncline_metrics() TO syncline_app",
)
