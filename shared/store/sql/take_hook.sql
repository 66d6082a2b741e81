-- Take a message of a webhook endpoint: spend of its rate, remember the message, and tell what there
-- is to start. A full bucket holds one minute's worth and fills evenly; its level is kept as the
-- instant at which it will be full. Whoever comes at the same time waits for the endpoint's row, and
-- sees what the other spent.
-- `covered` tells that a run waits which has not read anything yet: it will read what changed. A
-- worker that takes it after this statement began reads after the change all the same.
WITH instant AS (
    SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS at
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
    RETURNING e.id, e.workspace_id
),

remembered AS (
    INSERT INTO webhook_delivery (endpoint_id, message_hash, workspace_id, expires_at)
    SELECT
        s.id,
        CAST(:message_hash AS bytea),
        s.workspace_id,
        (SELECT at FROM instant) + CAST(:remembered AS interval)
    FROM spent AS s
    WHERE CAST(:message_hash AS bytea) IS NOT NULL
    ON CONFLICT (endpoint_id, message_hash) DO NOTHING
    RETURNING endpoint_id
)

SELECT
    (SELECT at FROM instant) AS at,
    EXISTS (SELECT FROM spent) AS is_allowed,
    (
        EXISTS (SELECT FROM spent)
        AND (
            CAST(:message_hash AS bytea) IS NULL
            OR EXISTS (SELECT FROM remembered)
        )
    ) AS is_new,
    CAST(
        extract(
            EPOCH FROM greatest(
                interval '1 second',
                greatest(e.spent_until, (SELECT at FROM instant))
                + interval '1 minute' / CAST(:per_minute AS integer)
                - interval '1 minute'
                - (SELECT at FROM instant)
            )
        ) AS double precision
    ) AS wait_seconds,
    c.id AS connector_id,
    c.public_id AS connector_public_id,
    c.status AS connector_status,
    s.id AS schedule_id,
    s.frequency,
    s.is_enabled,
    s.paused_until,
    s.max_attempts,
    EXISTS (
        SELECT FROM workspace_connector_sync_log AS r
        WHERE r.connector_id = c.id
            AND r.status = 'scheduled'
            AND r.trigger_type <> 'cloud_task'
            AND r.slices = 0
            AND r.positions = CAST('{}' AS jsonb)
    ) AS is_covered
FROM webhook_endpoint AS e
JOIN workspace AS w ON w.id = e.workspace_id
JOIN workspace_connector AS c ON c.id = e.connector_id
LEFT JOIN sync_schedule AS s ON s.connector_id = c.id
WHERE e.id = :endpoint_id
    AND c.deleted_at IS NULL
    AND w.disabled_at IS NULL
    AND w.deleted_at IS NULL
