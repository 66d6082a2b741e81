-- Keep the lease for a while longer; no row means that it was lost.
UPDATE workspace_connector_sync_log
SET lease_expires_at
    = coalesce(CAST(:now AS timestamptz), statement_timestamp()) + CAST(:lease AS interval)
WHERE id = :run_id AND status = 'in_progress' AND fence = :fence
RETURNING id
