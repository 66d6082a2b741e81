-- Of each connector its run in progress, between two slices or put off by the provider, or the one
-- that a person asked for and that waits; the first of them.
SELECT c.connector_id, a.run
FROM unnest(CAST(:connector_ids AS bigint [])) AS c (connector_id)
CROSS JOIN LATERAL (
    SELECT r.workspace_connector_sync_log_id AS run, r.id
    FROM workspace_connector_sync_log AS r
    WHERE r.workspace_id = :workspace_id
        AND r.connector_id = c.connector_id
        AND r.status = 'in_progress'
    UNION ALL
    SELECT r.workspace_connector_sync_log_id, r.id
    FROM workspace_connector_sync_log AS r
    WHERE r.workspace_id = :workspace_id
        AND r.connector_id = c.connector_id
        AND r.status = 'scheduled'
        AND (r.slices > 0 OR r.connector_held_until > CAST(:now AS timestamptz))
    UNION ALL
    SELECT r.workspace_connector_sync_log_id, r.id
    FROM workspace_connector_sync_log AS r
    WHERE r.workspace_id = :workspace_id
        AND r.connector_id = c.connector_id
        AND r.status IN ('scheduled', 'in_progress')
        AND r.trigger_type IN ('manual', 'oauth_callback')
    ORDER BY id
    LIMIT 1
) AS a
