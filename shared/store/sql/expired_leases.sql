-- The runs whose worker fell silent, longest ago first; nothing is locked.
SELECT
    r.id,
    r.workspace_connector_sync_log_id AS public_id,
    r.fence,
    r.slices,
    r.attempt
FROM workspace_connector_sync_log AS r
WHERE r.status = 'in_progress'
    AND r.lease_expires_at < CAST(:now AS timestamptz)
ORDER BY r.lease_expires_at
LIMIT CAST(:page AS integer)
