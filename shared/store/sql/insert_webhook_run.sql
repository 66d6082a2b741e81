-- Write a run for what a source reported, unless one waits already that has not started: then that
-- one reads it. Somebody who is taking that one at this moment is waited for. What is unread counts
-- the run, and is looked at again when it may have ended.
WITH written AS (
    INSERT INTO workspace_connector_sync_log (
        workspace_id,
        connector_id,
        schedule_id,
        workspace_connector_sync_log_id,
        trigger_type,
        idempotency_key,
        not_before_at,
        max_attempts
    )
    VALUES (
        :workspace_id,
        :connector_id,
        :schedule_id,
        :public_id,
        'webhook',
        :idempotency_key,
        :not_before_at,
        :max_attempts
    )
    ON CONFLICT (connector_id)
    WHERE status = 'scheduled' AND trigger_type = 'webhook' AND started_at IS NULL
    DO NOTHING
    RETURNING id, workspace_id, workspace_connector_sync_log_id
),

counted AS (
    UPDATE unread_change AS u
    SET runs = CAST(:runs AS integer),
        look_at = CAST(:look_at AS timestamptz)
    WHERE u.connector_id = :connector_id
),

noted AS (
    INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
    SELECT
        w.workspace_id,
        w.id,
        CAST(:now AS timestamptz),
        'requested',
        jsonb_build_object('trigger_type', 'webhook') || CAST(:detail AS jsonb)
    FROM written AS w
)

SELECT w.workspace_connector_sync_log_id
FROM written AS w
