-- Take connectors of which nothing was heard for long, and put their next look off: who takes them
-- and dies costs them one look. Those that were synced meanwhile are put off alone: their runs tell
-- of their health. Spread, so that what was made at once is not looked at at once for ever.
WITH due AS (
    SELECT c.id, w.slug
    FROM workspace_connector AS c
    JOIN workspace AS w ON w.id = c.workspace_id
    WHERE c.health_next_check_at <= CAST(:now AS timestamptz)
        AND c.status = 'connected'
        AND c.deleted_at IS NULL
        AND w.disabled_at IS NULL
        AND w.deleted_at IS NULL
    ORDER BY c.health_next_check_at
    LIMIT :page
    FOR NO KEY UPDATE OF c SKIP LOCKED
),

put_off AS (
    UPDATE workspace_connector AS c
    SET health_next_check_at = CAST(:now AS timestamptz)
        + CAST(:pause AS interval) * (0.9 + 0.2 * random())
    FROM due AS d
    WHERE c.id = d.id
    RETURNING c.id, c.workspace_id, d.slug, c.public_id, c.connector_type, c.config, c.health
)

SELECT
    c.id,
    c.workspace_id,
    c.slug AS workspace_slug,
    c.public_id AS connector_public_id,
    c.connector_type,
    c.config,
    k.ciphertext,
    k.nonce,
    k.wrapped_key,
    k.key_version
FROM put_off AS c
LEFT JOIN connector_credential AS k ON k.connector_id = c.id
WHERE c.health = 'unhealthy'
    OR NOT EXISTS (
        SELECT FROM sync_schedule AS s
        WHERE s.connector_id = c.id
            AND s.last_run_at > CAST(:now AS timestamptz) - CAST(:pause AS interval)
    )
