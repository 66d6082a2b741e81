-- Take on a request with an Idempotency-Key: one that is new or forgotten, or that whoever had it
-- left without an answer. Its `resource_id` stays, so that what was made already is found again.
INSERT INTO repeatable_request AS q (
    workspace_id, operation, key_hash, fingerprint, resource_id, locked_until, expires_at
)
VALUES (
    :workspace_id,
    :operation,
    :key_hash,
    :fingerprint,
    CAST(:resource_id AS uuid),
    coalesce(CAST(:now AS timestamptz), clock_timestamp()) + CAST(:lock AS interval),
    coalesce(CAST(:now AS timestamptz), clock_timestamp()) + CAST(:lifetime AS interval)
)
ON CONFLICT (workspace_id, operation, key_hash) DO UPDATE
SET
    fingerprint = excluded.fingerprint,
    resource_id
        = CASE
            WHEN q.expires_at <= coalesce(CAST(:now AS timestamptz), clock_timestamp())
                THEN excluded.resource_id
            ELSE q.resource_id
        END,
    claims = q.claims + 1,
    locked_until = excluded.locked_until,
    status = NULL,
    headers = NULL,
    body = NULL,
    expires_at = excluded.expires_at
WHERE
    q.expires_at <= coalesce(CAST(:now AS timestamptz), clock_timestamp())
    OR (
        q.status IS NULL
        AND q.fingerprint = excluded.fingerprint
        AND q.locked_until <= coalesce(CAST(:now AS timestamptz), clock_timestamp())
    )
RETURNING q.resource_id, q.claims
