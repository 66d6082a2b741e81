-- Take a message of a webhook endpoint: spend of its rate, remember the message, note that there is
-- something to read, and tell what there is to start. A full bucket holds one minute's worth and
-- fills evenly; its level is kept as the instant at which it will be full. Whoever comes at the same
-- time waits for the endpoint's row, and sees what the other spent.
-- Only a realtime schedule hears of it: for another one nothing is remembered.
-- `is_covered` tells that a run waits which has not read anything yet: it will read what changed,
-- and its timeline says so, once. A worker that takes it after this statement began reads after the
-- change all the same. Whatever becomes of that run, what is noted stays until a run has read it.
-- A retry covers nothing: it is about the instant of the run before, and a type may read by that.
-- `is_failing` tells that a run was written for what is unread, and that the newest run which ended
-- since did not succeed: then a report earns no run of its own, and the dispatcher writes the next
-- one after the wait that is due.
WITH instant AS (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS at
),

place AS (
    SELECT
        e.id AS endpoint_id,
        e.public_id AS endpoint_public_id,
        e.workspace_id,
        e.spent_until,
        c.id AS connector_id,
        c.public_id AS connector_public_id,
        c.status AS connector_status,
        s.id AS schedule_id,
        s.is_enabled,
        s.paused_until,
        s.max_attempts,
        (s.frequency = 'realtime') IS TRUE AS is_heard
    FROM webhook_endpoint AS e
    JOIN workspace AS w ON w.id = e.workspace_id
    JOIN workspace_connector AS c ON c.id = e.connector_id
    LEFT JOIN sync_schedule AS s ON s.connector_id = c.id
    WHERE e.id = :endpoint_id
        AND c.deleted_at IS NULL
        AND w.disabled_at IS NULL
        AND w.deleted_at IS NULL
),

spent AS (
    UPDATE webhook_endpoint AS e
    SET spent_until
            = greatest(e.spent_until, (SELECT at FROM instant))
            + interval '1 minute' / CAST(:per_minute AS integer),
        last_used_at = greatest(e.last_used_at, (SELECT at FROM instant))
    WHERE e.id = :endpoint_id
        AND greatest(e.spent_until, (SELECT at FROM instant))
            + interval '1 minute' / CAST(:per_minute AS integer)
            <= (SELECT at FROM instant) + interval '1 minute'
    RETURNING e.id
),

remembered AS (
    INSERT INTO webhook_delivery (endpoint_id, message_hash, workspace_id, expires_at)
    SELECT
        s.id,
        CAST(:message_hash AS bytea),
        p.workspace_id,
        (SELECT at FROM instant) + CAST(:remembered AS interval)
    FROM spent AS s
    JOIN place AS p ON p.endpoint_id = s.id
    WHERE CAST(:message_hash AS bytea) IS NOT NULL AND p.is_heard
    ON CONFLICT (endpoint_id, message_hash) DO NOTHING
    RETURNING endpoint_id
),

news AS (
    SELECT
        p.workspace_id,
        p.connector_id,
        p.endpoint_public_id
    FROM spent AS s
    JOIN place AS p ON p.endpoint_id = s.id
    WHERE p.is_heard
        AND (CAST(:message_hash AS bytea) IS NULL OR EXISTS (SELECT FROM remembered))
),

failing AS (
    SELECT p.connector_id
    FROM place AS p
    JOIN unread_change AS u ON u.connector_id = p.connector_id
    CROSS JOIN LATERAL (
        SELECT
            r.status,
            r.completed_at
        FROM workspace_connector_sync_log AS r
        WHERE r.connector_id = p.connector_id AND r.completed_at IS NOT NULL
        ORDER BY r.created_at DESC, r.id DESC
        LIMIT 1
    ) AS last_run
    WHERE u.runs > 0
        AND last_run.status <> 'success'
        AND last_run.completed_at >= u.unread_since
),

kept AS (
    INSERT INTO unread_change AS u
        (connector_id, workspace_id, reported_at, unread_since, look_at)
    SELECT
        n.connector_id,
        n.workspace_id,
        (SELECT at FROM instant),
        (SELECT at FROM instant),
        (SELECT at FROM instant) + CAST(:look_after AS interval)
    FROM news AS n
    ON CONFLICT (connector_id) DO UPDATE
    SET reported_at = greatest(u.reported_at, excluded.reported_at),
        runs = CASE WHEN EXISTS (SELECT FROM failing) THEN u.runs ELSE least(u.runs, 1) END,
        look_at = least(u.look_at, excluded.look_at)
),

covering AS (
    SELECT
        r.id,
        r.workspace_id
    FROM place AS p
    JOIN workspace_connector_sync_log AS r ON r.connector_id = p.connector_id
    WHERE r.status = 'scheduled'
        AND r.trigger_type <> 'cloud_task'
        AND r.nominal_at IS NULL
        AND r.slices = 0
        AND r.positions = CAST('{}' AS jsonb)
    ORDER BY r.not_before_at, r.id
    LIMIT 1
),

noted AS (
    INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
    SELECT
        c.workspace_id,
        c.id,
        (SELECT at FROM instant),
        'change_reported',
        jsonb_build_object('endpoint_id', n.endpoint_public_id)
    FROM covering AS c
    CROSS JOIN news AS n
    WHERE NOT EXISTS (
        SELECT FROM sync_log_event AS v
        WHERE v.run_id = c.id AND v.kind = 'change_reported'
    )
)

SELECT
    (SELECT at FROM instant) AS at,
    EXISTS (SELECT FROM spent) AS is_allowed,
    p.is_heard,
    EXISTS (SELECT FROM news) AS is_new,
    CAST(
        extract(
            EPOCH FROM greatest(
                interval '1 second',
                greatest(p.spent_until, (SELECT at FROM instant))
                + interval '1 minute' / CAST(:per_minute AS integer)
                - interval '1 minute'
                - (SELECT at FROM instant)
            )
        ) AS double precision
    ) AS wait_seconds,
    p.workspace_id,
    p.connector_id,
    p.connector_public_id,
    p.connector_status,
    p.schedule_id,
    p.is_enabled,
    p.paused_until,
    p.max_attempts,
    EXISTS (SELECT FROM covering) AS is_covered,
    EXISTS (SELECT FROM failing) AS is_failing
FROM place AS p
