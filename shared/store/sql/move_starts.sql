-- Let runs that did not start yet start at other instants: each wants a place and a task anew.
WITH wanted AS (
    SELECT w.*
    FROM jsonb_to_recordset(CAST(:starts AS jsonb)) AS w (run_id bigint, not_before_at timestamptz)
),

moved AS (
    UPDATE workspace_connector_sync_log AS r
    SET not_before_at = w.not_before_at,
        admitted_at = NULL,
        enqueued_at = NULL,
        task_generation = r.task_generation + 1
    FROM wanted AS w
    WHERE r.id = w.run_id AND r.status = 'scheduled' AND r.started_at IS NULL
    RETURNING r.id, r.workspace_id, r.not_before_at
)

INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
SELECT
    m.workspace_id,
    m.id,
    CAST(:now AS timestamptz),
    'moved',
    jsonb_build_object('not_before_at', m.not_before_at)
FROM moved AS m
RETURNING run_id
