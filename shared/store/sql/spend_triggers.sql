-- Spend manual triggers of a workspace, or tell in how many seconds there will be enough again.
-- A full bucket holds one minute's worth and fills evenly; its level is kept as the instant at
-- which it will be full. Concurrent callers wait for each other's row and see what the other spent.
WITH rate AS (
    SELECT
        w.id AS workspace_id,
        interval '1 minute' / w.manual_triggers_per_minute * CAST(:count AS integer) AS price,
        CAST(coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS timestamptz) AS asked_at
    FROM workspace AS w
    WHERE w.id = :workspace_id
),

spent AS (
    INSERT INTO trigger_allowance AS a (workspace_id, spent_until)
    SELECT r.workspace_id, r.asked_at + r.price
    FROM rate AS r
    WHERE r.price <= interval '1 minute'
    ON CONFLICT (workspace_id) DO UPDATE
    SET spent_until
        = greatest(a.spent_until, (SELECT r.asked_at FROM rate AS r))
        + (SELECT r.price FROM rate AS r)
    WHERE greatest(a.spent_until, (SELECT r.asked_at FROM rate AS r))
        + (SELECT r.price FROM rate AS r)
        <= (SELECT r.asked_at FROM rate AS r) + interval '1 minute'
    RETURNING a.workspace_id
)

SELECT
    EXISTS (SELECT 1 FROM spent) AS is_allowed,
    CAST(
        extract(
            EPOCH FROM greatest(
                interval '1 second',
                greatest(a.spent_until, r.asked_at) + r.price - interval '1 minute' - r.asked_at
            )
        ) AS double precision
    ) AS wait_seconds
FROM rate AS r
LEFT JOIN trigger_allowance AS a ON a.workspace_id = r.workspace_id
