-- Store the tokens that a renewal brought, unless they were changed since it began.
-- Whoever was slower than its lease is stopped by token_version, which grows with every change.
UPDATE connector_credential
SET ciphertext = :ciphertext,
    nonce = :nonce,
    wrapped_key = :wrapped_key,
    key_version = :key_version,
    token_version = token_version + 1,
    expires_at = CAST(:expires_at AS timestamptz),
    refresh_lease_expires_at = NULL
WHERE connector_id = :connector_id AND token_version = :token_version
RETURNING token_version
