-- Whether a run starts soon while every worker sleeps: none is in the middle of a run, and none was
-- seen lately.
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
    )
