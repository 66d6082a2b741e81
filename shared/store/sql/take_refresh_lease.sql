-- Take the right to renew a connector's tokens, if they are those that were read and nobody has it.
-- The instant until which it is held comes back; giving it back names that instant.
UPDATE connector_credential AS k
SET refresh_lease_expires_at = statement_timestamp() + CAST(:lease AS interval)
FROM workspace_connector AS c
WHERE k.connector_id = :connector_id
    AND k.token_version = :token_version
    AND c.id = k.connector_id
    AND c.access_version = :access_version
    AND (k.refresh_lease_expires_at IS NULL OR k.refresh_lease_expires_at <= statement_timestamp())
RETURNING k.refresh_lease_expires_at
