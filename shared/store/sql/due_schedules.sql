-- The schedules whose next period falls due by the horizon, locked; others' locks are stepped over.
SELECT
    s.id,
    s.public_id,
    s.workspace_id,
    s.connector_id,
    c.public_id AS connector_public_id,
    (
        c.deleted_at IS NULL
        AND w.deleted_at IS NULL
        AND w.disabled_at IS NULL
        AND c.status = 'connected'
    ) AS connector_is_usable,
    s.frequency,
    s.timezone,
    s.preferred_time,
    s.preferred_day_of_week,
    s.preferred_day_of_month,
    s.cron_expression,
    s.missed_run_policy,
    s.catch_up_window_seconds,
    s.spread_seconds,
    s.blackout_policy,
    s.paused_until,
    coalesce(s.planned_through, s.next_scheduled_at - interval '1 microsecond') AS planned_through
FROM sync_schedule AS s
JOIN workspace_connector AS c ON c.id = s.connector_id
JOIN workspace AS w ON w.id = s.workspace_id
WHERE s.next_scheduled_at <= CAST(:horizon AS timestamptz)
ORDER BY s.next_scheduled_at, s.id
LIMIT CAST(:page AS integer)
FOR NO KEY UPDATE OF s SKIP LOCKED
