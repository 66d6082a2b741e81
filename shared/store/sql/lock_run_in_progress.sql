-- Lock the run of a connector that is in progress, if there is one. A change does so before it locks
-- the schedule: whoever records or rescues the run locks it first and its schedule then.
SELECT r.id
FROM workspace_connector_sync_log AS r
WHERE r.connector_id = :connector_id AND r.status = 'in_progress'
FOR NO KEY UPDATE OF r
