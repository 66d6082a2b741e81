-- Skip the runs whose time came while an earlier run of their connector was in progress, between two
-- slices or put off by the provider, and that wait for a place: all of them, or with queue_one all
-- but the oldest. Found from those earlier runs, so that it costs nothing where nothing overlaps.
WITH active AS (
    SELECT
        r.connector_id,
        r.started_at
    FROM workspace_connector_sync_log AS r
    WHERE r.status = 'in_progress'
    UNION ALL
    SELECT
        r.connector_id,
        r.started_at
    FROM workspace_connector_sync_log AS r
    WHERE r.status = 'scheduled'
        AND (r.slices > 0 OR r.connector_held_until IS NOT NULL)
        AND (r.slices > 0 OR r.connector_held_until > CAST(:now AS timestamptz))
),

overlapping AS (
    SELECT DISTINCT w.id
    FROM active
    CROSS JOIN LATERAL (
        SELECT
            r.id,
            coalesce(s.overlap_policy, 'skip') AS overlap_policy,
            row_number() OVER (ORDER BY r.not_before_at, r.id) AS place
        FROM workspace_connector_sync_log AS r
        LEFT JOIN sync_schedule AS s ON s.id = r.schedule_id
        WHERE r.connector_id = active.connector_id
            AND r.status = 'scheduled'
            AND r.trigger_type = 'cloud_task'
            AND r.admitted_at IS NULL
            AND r.started_at IS NULL
            AND r.not_before_at > active.started_at
            AND r.not_before_at <= CAST(:now AS timestamptz)
    ) AS w
    WHERE w.overlap_policy = 'skip' OR w.place > 1
    ORDER BY w.id
    LIMIT CAST(:page AS integer)
),

-- In the order in which a change of schedules locks runs.
locked AS (
    SELECT r.id
    FROM workspace_connector_sync_log AS r
    JOIN overlapping AS o ON o.id = r.id
    WHERE r.status = 'scheduled' AND r.admitted_at IS NULL
    ORDER BY r.id
    FOR NO KEY UPDATE OF r SKIP LOCKED
),

skipped AS (
    UPDATE workspace_connector_sync_log AS r
    SET status = 'skipped',
        reason = 'overlap',
        completed_at = CAST(:now AS timestamptz)
    FROM locked AS o
    WHERE r.id = o.id AND r.status = 'scheduled' AND r.admitted_at IS NULL
    RETURNING r.id, r.workspace_id
)

INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
SELECT
    s.workspace_id,
    s.id,
    CAST(:now AS timestamptz),
    'skipped',
    jsonb_build_object('reason', 'overlap')
FROM skipped AS s
RETURNING run_id
