-- Take the right to renew a connector's tokens, if they are those that were read and nobody has it.
-- The instant until which it is held comes back; giving it back names that instant.
UPDATE connector_credential
SET refresh_lease_expires_at = statement_timestamp() + CAST(:lease AS interval)
WHERE connector_id = :connector_id
    AND token_version = :token_version
    AND (refresh_lease_expires_at IS NULL OR refresh_lease_expires_at <= statement_timestamp())
RETURNING refresh_lease_expires_at
