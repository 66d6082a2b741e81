-- Use the state of an authorization, if nobody used it before and it is still good: once for ever.
UPDATE oauth_state AS s
SET used_at = coalesce(CAST(:now AS timestamptz), statement_timestamp())
FROM workspace_connector AS c
WHERE s.state_hash = :state_hash
    AND s.used_at IS NULL
    AND s.expires_at > coalesce(CAST(:now AS timestamptz), statement_timestamp())
    AND c.id = s.connector_id
    AND c.deleted_at IS NULL
RETURNING
    s.workspace_id,
    s.connector_id,
    c.public_id AS connector_public_id,
    s.access_version,
    s.ciphertext,
    s.nonce,
    s.wrapped_key,
    s.key_version,
    s.redirect_uri,
    s.return_to,
    s.asked_by,
    s.asked_by_kind,
    s.asked_by_id
