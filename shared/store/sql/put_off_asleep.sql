-- Put the looks off at connectors whose workspace is disabled or deleted: what stays due for ever
-- would be met by every tick. Its rows come in pages, some of each workspace.
WITH asleep AS (
    SELECT d.id
    FROM workspace AS w
    CROSS JOIN LATERAL (
        SELECT c.id
        FROM workspace_connector AS c
        WHERE c.workspace_id = w.id
            AND c.health_next_check_at <= CAST(:now AS timestamptz)
            AND c.status = 'connected'
            AND c.deleted_at IS NULL
        ORDER BY c.health_next_check_at
        LIMIT :page
        FOR NO KEY UPDATE OF c SKIP LOCKED
    ) AS d
    WHERE w.disabled_at IS NOT NULL OR w.deleted_at IS NOT NULL
    LIMIT :page
)

UPDATE workspace_connector AS c
SET health_next_check_at = CAST(:now AS timestamptz) + CAST(:put_off AS interval)
FROM asleep AS a
WHERE c.id = a.id
