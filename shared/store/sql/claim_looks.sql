-- Take connectors of which no run was heard for long, some of each of the next workspaces that have
-- any, and put their next look off: who takes them and dies costs them one look.
WITH chosen AS (
    SELECT w.id, w.slug
    FROM workspace AS w
    WHERE w.id > :after
        AND w.disabled_at IS NULL
        AND w.deleted_at IS NULL
        AND EXISTS (
            SELECT FROM workspace_connector AS c
            WHERE c.workspace_id = w.id
                AND c.health_next_check_at <= CAST(:now AS timestamptz)
                AND c.status = 'connected'
                AND c.deleted_at IS NULL
        )
    ORDER BY w.id
    LIMIT :workspaces
),

due AS (
    SELECT d.id, o.slug
    FROM chosen AS o
    CROSS JOIN LATERAL (
        SELECT c.id
        FROM workspace_connector AS c
        WHERE c.workspace_id = o.id
            AND c.health_next_check_at <= CAST(:now AS timestamptz)
            AND c.status = 'connected'
            AND c.deleted_at IS NULL
        ORDER BY c.health_next_check_at
        LIMIT :share
        FOR NO KEY UPDATE OF c SKIP LOCKED
    ) AS d
),

put_off AS (
    UPDATE workspace_connector AS c
    SET health_next_check_at = CAST(:now AS timestamptz) + CAST(:put_off AS interval)
    FROM due AS d
    WHERE c.id = d.id
    RETURNING
        c.id, c.workspace_id, d.slug, c.public_id, c.connector_type, c.config, c.config_version,
        c.access_version, c.secret_pointers, c.status
)

SELECT
    c.id,
    c.workspace_id,
    c.slug AS workspace_slug,
    c.public_id AS connector_public_id,
    c.connector_type,
    c.config,
    c.config_version,
    c.access_version,
    c.secret_pointers,
    c.status,
    k.ciphertext,
    k.nonce,
    k.wrapped_key,
    k.key_version,
    k.token_version,
    k.expires_at,
    k.refresh_lease_expires_at
FROM put_off AS c
LEFT JOIN connector_credential AS k ON k.connector_id = c.id
ORDER BY c.workspace_id, c.id
