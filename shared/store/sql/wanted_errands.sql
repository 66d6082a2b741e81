-- What a worker is wanted for beside runs.
-- warm_up: a run starts soon while every worker sleeps: none is in the middle of a run, and none was
-- seen lately.
-- look: nothing was heard of a connector for long. Of a workspace that is disabled or deleted it is
-- put off by the worker, so that this finds the first one or none.
SELECT
    EXISTS (
        SELECT FROM workspace_connector_sync_log AS r
        WHERE r.status = 'scheduled'
            AND r.enqueued_at IS NOT NULL
            AND r.not_before_at > CAST(:now AS timestamptz)
            AND r.not_before_at <= CAST(:now AS timestamptz) + CAST(:soon AS interval)
    )
    AND NOT EXISTS (
        SELECT FROM worker_instance AS i
        WHERE i.last_seen_at > CAST(:now AS timestamptz) - CAST(:idle AS interval)
    )
    AND NOT EXISTS (
        SELECT FROM workspace_connector_sync_log AS r
        WHERE r.status = 'in_progress' AND r.lease_expires_at > CAST(:now AS timestamptz)
    ) AS warm_up,
    EXISTS (
        SELECT FROM workspace_connector AS c
        WHERE c.health_next_check_at <= CAST(:now AS timestamptz)
            AND c.status = 'connected'
            AND c.deleted_at IS NULL
    ) AS look
