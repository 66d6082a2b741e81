-- Runs whose task should have come long ago: want a new one, under a new name. The patience doubles
-- with each in a row, up to 16 times, so that a queue that is merely behind is not flooded with copies.
WITH lost AS (
    SELECT r.id
    FROM workspace_connector_sync_log AS r
    WHERE r.status = 'scheduled'
        AND r.enqueued_at IS NOT NULL
        AND r.not_before_at < CAST(:now AS timestamptz) - CAST(:patience AS interval)
        AND r.enqueued_at < CAST(:now AS timestamptz)
            - CAST(:patience AS interval) * power(2, least(r.lost_tasks, 4))
    ORDER BY r.not_before_at
    LIMIT CAST(:page AS integer)
    FOR NO KEY UPDATE SKIP LOCKED
),

rescued AS (
    UPDATE workspace_connector_sync_log AS r
    SET task_generation = r.task_generation + 1,
        lost_tasks = r.lost_tasks + 1,
        enqueued_at = NULL,
        admitted_at = NULL
    FROM lost
    WHERE r.id = lost.id
    RETURNING r.id, r.workspace_id, r.task_generation
)

INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
SELECT
    x.workspace_id,
    x.id,
    CAST(:now AS timestamptz),
    'task_lost',
    jsonb_build_object('generation', x.task_generation)
FROM rescued AS x
RETURNING run_id
