-- Write the runs of a page of planned schedules and move their marks, in one statement.
-- A period that is not reached yet and whose row was ended ahead of time, because its schedule was
-- changed, paused or disabled then, is decided anew; every other row that is there stays as it is.
WITH planned AS (
    SELECT p.*
    FROM jsonb_to_recordset(CAST(:periods AS jsonb)) AS p (
        workspace_id bigint,
        connector_id bigint,
        schedule_id bigint,
        idempotency_key text,
        period_at timestamptz,
        period_count integer,
        last_period_at timestamptz,
        not_before_at timestamptz,
        reason text
    )
),

marked AS (
    UPDATE sync_schedule AS s
    SET planned_through = coalesce(m.planned_through, s.planned_through),
        next_scheduled_at = m.next_scheduled_at,
        zone_data_version = :zone_data_version,
        plan_error = m.plan_error
    FROM jsonb_to_recordset(CAST(:marks AS jsonb)) AS m (
        schedule_id bigint,
        planned_through timestamptz,
        next_scheduled_at timestamptz,
        plan_error text
    )
    WHERE s.id = m.schedule_id
),

written AS (
    INSERT INTO workspace_connector_sync_log AS r (
        workspace_id,
        connector_id,
        schedule_id,
        trigger_type,
        idempotency_key,
        period_at,
        period_count,
        last_period_at,
        not_before_at,
        max_attempts,
        status,
        reason,
        completed_at
    )
    SELECT
        p.workspace_id,
        p.connector_id,
        p.schedule_id,
        'cloud_task',
        p.idempotency_key,
        p.period_at,
        p.period_count,
        p.last_period_at,
        p.not_before_at,
        s.max_attempts,
        CASE WHEN p.reason IS NULL THEN 'scheduled' ELSE 'skipped' END,
        p.reason,
        CASE WHEN p.reason IS NULL THEN NULL ELSE CAST(:now AS timestamptz) END
    FROM planned AS p
    JOIN sync_schedule AS s ON s.id = p.schedule_id
    ORDER BY p.not_before_at, p.schedule_id
    ON CONFLICT (idempotency_key) DO UPDATE
    SET status = excluded.status,
        reason = excluded.reason,
        completed_at = excluded.completed_at,
        schedule_id = excluded.schedule_id,
        period_count = excluded.period_count,
        last_period_at = excluded.last_period_at,
        not_before_at = excluded.not_before_at,
        max_attempts = excluded.max_attempts,
        task_generation = r.task_generation + 1,
        admitted_at = NULL,
        enqueued_at = NULL
    WHERE r.status IN ('cancelled', 'skipped')
        AND r.reason <> 'cancelled_by_user'
        AND r.started_at IS NULL
        AND r.period_at > CAST(:now AS timestamptz)
    RETURNING r.id, r.workspace_id, r.status, r.reason, r.period_count
),

noted AS (
    INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
    SELECT
        w.workspace_id,
        w.id,
        CAST(:now AS timestamptz),
        CASE WHEN w.status = 'skipped' THEN 'skipped' ELSE 'planned' END,
        CASE
            WHEN w.reason IS NULL THEN CAST('{}' AS jsonb)
            ELSE jsonb_build_object('reason', w.reason)
        END
    FROM written AS w
)

SELECT
    count(*) FILTER (WHERE status = 'scheduled') AS claimed,
    coalesce(sum(period_count) FILTER (WHERE status = 'skipped'), 0) AS skipped
FROM written
