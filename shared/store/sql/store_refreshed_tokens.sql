-- Store the tokens that a renewal brought, unless they were changed since it began.
-- Whoever was slower than its lease is stopped by token_version, which grows with every change as
-- long as there is the row, and by access_version, which outlives it.
UPDATE connector_credential AS k
SET ciphertext = :ciphertext,
    nonce = :nonce,
    wrapped_key = :wrapped_key,
    key_version = :key_version,
    token_version = k.token_version + 1,
    expires_at = CAST(:expires_at AS timestamptz),
    refresh_lease_expires_at = NULL
FROM workspace_connector AS c
WHERE k.connector_id = :connector_id
    AND k.token_version = :token_version
    AND c.id = k.connector_id
    AND c.access_version = :access_version
RETURNING k.token_version
