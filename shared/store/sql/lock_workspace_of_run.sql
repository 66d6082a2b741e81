-- Let the leases of one workspace happen one after the other, so that its limit is exact.
SELECT w.id
FROM workspace AS w
JOIN workspace_connector_sync_log AS r ON r.workspace_id = w.id
WHERE r.workspace_connector_sync_log_id = CAST(:run_id AS uuid)
FOR NO KEY UPDATE OF w
