-- A page of a workspace's runs that are in progress or wait: those with a place, then the others.
(
    SELECT r.id
    FROM workspace_connector_sync_log AS r
    WHERE r.workspace_id = :workspace_id
        AND r.admitted_at IS NOT NULL
        AND r.completed_at IS NULL
    ORDER BY r.not_before_at
    LIMIT CAST(:page AS integer)
)
UNION ALL
(
    SELECT r.id
    FROM workspace_connector_sync_log AS r
    WHERE r.workspace_id = :workspace_id
        AND r.status = 'scheduled'
        AND r.admitted_at IS NULL
    ORDER BY (r.trigger_type = 'cloud_task'), r.not_before_at, r.id
    LIMIT CAST(:page AS integer)
)
LIMIT CAST(:page AS integer)
