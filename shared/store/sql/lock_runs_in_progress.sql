-- Lock the runs of some connectors that are in progress. A change does so before it locks their
-- schedules: whoever records or rescues such a run locks it first and its schedule then.
SELECT r.id
FROM workspace_connector_sync_log AS r
WHERE r.connector_id = ANY(CAST(:connector_ids AS bigint [])) AND r.status = 'in_progress'
ORDER BY r.id
FOR NO KEY UPDATE OF r
