-- The connector's run that is in progress, or that goes on from where an earlier slice or attempt
-- stopped: it has its watermarks already, and records new ones at its end.
SELECT r.workspace_connector_sync_log_id
FROM workspace_connector_sync_log AS r
WHERE r.connector_id = :connector_id AND r.status = 'in_progress'
UNION ALL
SELECT r.workspace_connector_sync_log_id
FROM workspace_connector_sync_log AS r
WHERE r.connector_id = :connector_id
    AND r.status = 'scheduled'
    AND (r.slices > 0 OR r.positions <> CAST('{}' AS jsonb))
LIMIT 1
