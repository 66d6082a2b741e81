-- Give waiting runs the free places of their workspaces: interactive runs first, then by instant.
-- A run holds a place from admission to its end. Runs admitted for later take none from runs that
-- start earlier: each candidate counts the places held at the instant when it can start.
-- A run that must wait for the run that its connector is on (queue_one, interactive, between two
-- slices, put off by the provider) is left alone.
WITH RECURSIVE waiting_workspace AS (
    (
        SELECT r.workspace_id
        FROM workspace_connector_sync_log AS r
        WHERE r.status = 'scheduled' AND r.admitted_at IS NULL
            AND (CAST(:workspace_id AS bigint) IS NULL OR r.workspace_id = :workspace_id)
        ORDER BY r.workspace_id
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT r.workspace_id
        FROM workspace_connector_sync_log AS r
        WHERE r.status = 'scheduled' AND r.admitted_at IS NULL
            AND r.workspace_id > seen.workspace_id
        ORDER BY r.workspace_id
        LIMIT 1
    )
    FROM waiting_workspace AS seen
    WHERE seen.workspace_id IS NOT NULL AND CAST(:workspace_id AS bigint) IS NULL
),

-- A full workspace costs one count, however much waits in it.
roomy_workspace AS (
    SELECT
        w.id AS workspace_id,
        w.max_concurrent_syncs - (
            SELECT count(*)
            FROM workspace_connector_sync_log AS held
            WHERE held.workspace_id = w.id
                AND held.admitted_at IS NOT NULL
                AND held.completed_at IS NULL
                AND held.not_before_at <= CAST(:now AS timestamptz)
        ) AS free
    FROM waiting_workspace AS x
    JOIN workspace AS w ON w.id = x.workspace_id
),

candidate AS (
    SELECT
        w.id AS workspace_id,
        w.max_concurrent_syncs,
        r.id,
        r.not_before_at,
        r.is_scheduled,
        row_number() OVER (
            PARTITION BY w.id ORDER BY r.is_scheduled, r.not_before_at, r.id
        ) AS place
    FROM roomy_workspace AS x
    JOIN workspace AS w ON w.id = x.workspace_id AND x.free > 0
    CROSS JOIN LATERAL (
        SELECT
            r.id,
            r.not_before_at,
            (r.trigger_type = 'cloud_task') AS is_scheduled
        FROM workspace_connector_sync_log AS r
        LEFT JOIN sync_schedule AS s ON s.id = r.schedule_id
        WHERE r.workspace_id = w.id
            AND r.status = 'scheduled'
            AND r.admitted_at IS NULL
            AND r.not_before_at <= CAST(:horizon AS timestamptz)
            AND NOT (
                r.not_before_at <= CAST(:now AS timestamptz)
                AND (
                    r.trigger_type <> 'cloud_task'
                    OR s.overlap_policy = 'queue_one'
                    OR r.slices > 0
                )
                AND (
                    EXISTS (
                        SELECT FROM workspace_connector_sync_log AS active
                        WHERE active.connector_id = r.connector_id
                            AND active.id <> r.id
                            AND active.status = 'in_progress'
                    )
                    OR EXISTS (
                        SELECT FROM workspace_connector_sync_log AS active
                        WHERE active.connector_id = r.connector_id
                            AND active.id <> r.id
                            AND active.status = 'scheduled'
                            AND (
                                active.connector_held_until > CAST(:now AS timestamptz)
                                OR (active.slices > 0 AND (r.slices = 0 OR active.id < r.id))
                            )
                    )
                )
            )
        ORDER BY (r.trigger_type = 'cloud_task'), r.not_before_at, r.id
        LIMIT least(x.free, CAST(:page AS integer))
        FOR NO KEY UPDATE OF r SKIP LOCKED
    ) AS r
),

admitted AS (
    SELECT
        c.id,
        c.workspace_id,
        c.place
    FROM candidate AS c
    WHERE c.place + (
        SELECT count(*)
        FROM workspace_connector_sync_log AS held
        WHERE held.workspace_id = c.workspace_id
            AND held.admitted_at IS NOT NULL
            AND held.completed_at IS NULL
            AND held.not_before_at <= greatest(c.not_before_at, CAST(:now AS timestamptz))
    ) <= c.max_concurrent_syncs
    -- Workspace by workspace in turn: ten thousand runs of one do not delay the single one of
    -- another by more than a place.
    ORDER BY c.is_scheduled, c.place, c.not_before_at, c.id
    LIMIT CAST(:page AS integer)
)

UPDATE workspace_connector_sync_log AS r
SET admitted_at = CAST(:now AS timestamptz)
FROM admitted AS a
JOIN workspace AS w ON w.id = a.workspace_id
WHERE r.id = a.id
RETURNING
    r.id,
    r.workspace_id,
    w.public_id AS workspace_public_id,
    r.workspace_connector_sync_log_id AS public_id,
    r.idempotency_key,
    r.task_generation,
    r.trigger_type,
    r.not_before_at,
    a.place
