-- The runs of a connector that wait or are in progress: all of them, or those of one schedule, and
-- without those of spared triggers. Each state from its partial index.
SELECT r.id
FROM workspace_connector_sync_log AS r
WHERE r.connector_id = :connector_id
    AND r.status = 'in_progress'
    AND (CAST(:schedule_id AS bigint) IS NULL OR r.schedule_id = CAST(:schedule_id AS bigint))
    AND r.trigger_type <> ALL(CAST(:spared AS text []))
UNION ALL
SELECT r.id
FROM workspace_connector_sync_log AS r
WHERE r.connector_id = :connector_id
    AND r.status = 'scheduled'
    AND (CAST(:schedule_id AS bigint) IS NULL OR r.schedule_id = CAST(:schedule_id AS bigint))
    AND r.trigger_type <> ALL(CAST(:spared AS text []))
