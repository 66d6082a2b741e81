-- Record what became of an attempt while its fence holds: the run, its watermarks and streams, its
-- schedule, the health of its connector, the reported changes that it read, its timeline, and the
-- place that it leaves to the next run of its workspace. No row comes back when the fence was lost;
-- then nothing at all was written.
-- A slice that is not the last (`goes_on`) keeps the place of its run, which comes back to be
-- enqueued again; a run that waits for another attempt gives it up, also if it got on (`is_slice`).
WITH instant AS (
    SELECT coalesce(CAST(:now AS timestamptz), statement_timestamp()) AS at
),

ended AS (
    UPDATE workspace_connector_sync_log AS r
    SET status = :status,
        reason = :reason,
        error = :error,
        lease_expires_at = NULL,
        completed_at = CASE
            WHEN :status = 'scheduled' THEN NULL ELSE (SELECT at FROM instant)
        END,
        duration_ms = CASE
            WHEN :status = 'scheduled' THEN NULL
            ELSE greatest(
                0,
                CAST(
                    extract(EPOCH FROM (SELECT at FROM instant) - r.started_at) * 1000 AS bigint
                )
            )
        END,
        attempt = coalesce(CAST(:attempts_spent AS integer), r.attempt),
        throttled_since = CASE
            WHEN :is_throttled THEN coalesce(r.throttled_since, (SELECT at FROM instant))
            WHEN NOT :goes_on THEN r.throttled_since
        END,
        slices = r.slices + CASE WHEN :is_slice THEN 1 ELSE 0 END,
        positions = coalesce(CAST(:positions AS jsonb), r.positions),
        -- The counts are those of one slice; null where the attempt did not come to any.
        records_processed = coalesce(
            coalesce(r.records_processed, 0) + CAST(:processed AS bigint), r.records_processed
        ),
        records_created = coalesce(
            coalesce(r.records_created, 0) + CAST(:created AS bigint), r.records_created
        ),
        records_updated = coalesce(
            coalesce(r.records_updated, 0) + CAST(:updated AS bigint), r.records_updated
        ),
        records_failed = coalesce(
            coalesce(r.records_failed, 0) + CAST(:failed AS bigint), r.records_failed
        ),
        metadata = r.metadata || CAST(:metadata AS jsonb),
        next_attempt_at = (SELECT at FROM instant) + CAST(:retry_in AS interval),
        connector_held_until = (SELECT at FROM instant) + CAST(:connector_held_for AS interval),
        not_before_at = coalesce(
            (SELECT at FROM instant) + CAST(:retry_in AS interval), r.not_before_at
        ),
        admitted_at = CASE
            WHEN :goes_on THEN (SELECT at FROM instant)
            WHEN :status = 'scheduled' THEN NULL
            ELSE r.admitted_at
        END,
        enqueued_at = CASE WHEN :status = 'scheduled' THEN NULL ELSE r.enqueued_at END,
        task_generation = r.task_generation
            + CASE WHEN :status = 'scheduled' THEN 1 ELSE 0 END
    WHERE r.id = :run_id AND r.status = 'in_progress' AND r.fence = :fence
    RETURNING
        r.id,
        r.workspace_id,
        r.connector_id,
        r.schedule_id,
        r.workspace_connector_sync_log_id AS public_id,
        r.idempotency_key,
        r.task_generation,
        r.trigger_type,
        r.not_before_at,
        r.duration_ms,
        r.next_attempt_at,
        r.connector_held_until,
        r.config_version,
        r.reading_since,
        r.nominal_at,
        r.records_processed
),

moved AS (
    INSERT INTO sync_watermark (connector_id, stream, workspace_id, cursor, value, run_id)
    SELECT e.connector_id, m.stream, e.workspace_id, m.cursor, m.value, e.id
    FROM ended AS e
    CROSS JOIN jsonb_to_recordset(CAST(:watermarks AS jsonb)) AS m (
        stream text, cursor text, value jsonb
    )
    ON CONFLICT (connector_id, stream) DO UPDATE
    SET cursor = excluded.cursor, value = excluded.value, run_id = excluded.run_id
),

streamed AS (
    INSERT INTO connector_stream
        (connector_id, stream, workspace_id, status, error, fault, run_id, dataset_table, synced_at)
    SELECT
        e.connector_id, m.stream, e.workspace_id, m.status, m.error, m.fault, e.id, m.dataset_table,
        CASE WHEN m.status = 'success' THEN (SELECT at FROM instant) END
    FROM ended AS e
    CROSS JOIN jsonb_to_recordset(CAST(:streams AS jsonb)) AS m (
        stream text, status text, error text, fault text, dataset_table text
    )
    ON CONFLICT (connector_id, stream) DO UPDATE
    SET status = excluded.status,
        error = excluded.error,
        fault = excluded.fault,
        run_id = excluded.run_id,
        dataset_table = coalesce(excluded.dataset_table, connector_stream.dataset_table),
        synced_at = coalesce(excluded.synced_at, connector_stream.synced_at)
),

judged AS (
    UPDATE workspace_connector AS c
    SET health = :health,
        health_reason = :health_reason,
        health_next_check_at = (SELECT at FROM instant) + CAST(:quiet AS interval)
    FROM (
        SELECT c.id
        FROM ended AS e
        JOIN workspace_connector AS c ON c.id = e.connector_id
        WHERE CAST(:health AS text) IS NOT NULL
            -- What was run is its config as it is now, or it says nothing of it.
            AND c.config_version = e.config_version
            AND (
                (c.health, c.health_reason)
                    IS DISTINCT FROM (CAST(:health AS text), CAST(:health_reason AS text))
                -- Where runs tell of it nobody looks. Put off now and then, and not by every run.
                OR c.health_next_check_at
                    < (SELECT at FROM instant) + CAST(:quiet AS interval) / 2
            )
        -- Who changes a connector locks it before its runs: never wait for it with a run in hand.
        FOR NO KEY UPDATE OF c SKIP LOCKED
    ) AS changed
    WHERE c.id = changed.id
),

shown AS (
    UPDATE sync_schedule AS s
    SET last_run_status = :shown_status,
        last_run_error = :shown_error,
        last_run_records_synced = coalesce(
            CASE WHEN :status = 'scheduled' THEN NULL ELSE e.records_processed END,
            s.last_run_records_synced
        )
    FROM ended AS e
    WHERE s.id = e.schedule_id
    RETURNING s.id
),

-- After the schedule, as whoever changes one does: a trigger locks the row of its unread change.
read_changes AS (
    DELETE FROM unread_change AS u
    USING ended AS e
    WHERE u.connector_id = e.connector_id
        AND :has_read_all
        AND u.reported_at < e.reading_since
        -- A retry is about an instant before: a type may read no more than what was there then.
        AND e.nominal_at IS NULL
        AND (SELECT count(*) FROM shown) >= 0
    RETURNING u.connector_id
),

-- The end of a run, whichever it is, may be what the next one waits for: the dispatcher looks, and
-- decides. What a run that read all leaves came after it began.
left_changes AS (
    UPDATE unread_change AS u
    SET look_at = least(u.look_at, (SELECT at FROM instant)),
        unread_since = CASE
            WHEN :has_read_all AND e.nominal_at IS NULL
                THEN greatest(u.unread_since, e.reading_since)
            ELSE u.unread_since
        END
    FROM ended AS e
    WHERE u.connector_id = e.connector_id
        AND :status <> 'scheduled'
        AND (SELECT count(*) FROM shown) >= 0
        AND NOT EXISTS (SELECT FROM read_changes)
),

noted AS (
    INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind, detail)
    SELECT
        e.workspace_id,
        e.id,
        (SELECT at FROM instant),
        :kind,
        jsonb_strip_nulls(
            CAST(:detail AS jsonb)
            || jsonb_build_object('attempt', CAST(:attempt AS integer), 'next_attempt_at', e.next_attempt_at)
        )
    FROM ended AS e
),

next_run AS (
    SELECT r.id
    FROM ended AS e
    CROSS JOIN LATERAL (
        SELECT r.id
        FROM workspace_connector_sync_log AS r
        LEFT JOIN sync_schedule AS s ON s.id = r.schedule_id
        WHERE NOT :goes_on
            AND r.workspace_id = e.workspace_id
            AND r.status = 'scheduled'
            AND r.admitted_at IS NULL
            AND r.not_before_at <= (SELECT at FROM instant)
            AND NOT (
                (
                    r.trigger_type <> 'cloud_task'
                    OR s.overlap_policy = 'queue_one'
                    OR r.slices > 0
                )
                AND (
                    (r.connector_id = e.connector_id AND e.connector_held_until IS NOT NULL)
                    OR EXISTS (
                        SELECT FROM workspace_connector_sync_log AS active
                        WHERE active.connector_id = r.connector_id
                            AND active.id <> r.id
                            AND active.id <> e.id
                            AND active.status = 'in_progress'
                    )
                    OR EXISTS (
                        SELECT FROM workspace_connector_sync_log AS active
                        WHERE active.connector_id = r.connector_id
                            AND active.id <> r.id
                            AND active.status = 'scheduled'
                            AND (
                                active.connector_held_until > (SELECT at FROM instant)
                                OR (active.slices > 0 AND (r.slices = 0 OR active.id < r.id))
                            )
                    )
                )
            )
        ORDER BY (r.trigger_type = 'cloud_task'), r.not_before_at, r.id
        LIMIT 1
        FOR NO KEY UPDATE OF r SKIP LOCKED
    ) AS r
),

handed AS (
    UPDATE workspace_connector_sync_log AS r
    SET admitted_at = (SELECT at FROM instant)
    FROM next_run AS n
    WHERE r.id = n.id AND r.admitted_at IS NULL
    RETURNING
        r.id,
        r.workspace_id,
        r.workspace_connector_sync_log_id AS public_id,
        r.idempotency_key,
        r.task_generation,
        r.trigger_type,
        r.not_before_at
),

to_enqueue AS (
    SELECT
        h.id,
        h.public_id,
        h.idempotency_key,
        h.task_generation,
        h.trigger_type,
        h.not_before_at
    FROM handed AS h
    UNION ALL
    SELECT
        e.id,
        e.public_id,
        e.idempotency_key,
        e.task_generation,
        e.trigger_type,
        e.not_before_at
    FROM ended AS e
    WHERE :goes_on
)

SELECT
    e.id AS ended_id,
    e.duration_ms,
    e.workspace_id,
    w.public_id AS workspace_public_id,
    q.id,
    q.public_id,
    q.idempotency_key,
    q.task_generation,
    q.trigger_type,
    q.not_before_at
FROM ended AS e
JOIN workspace AS w ON w.id = e.workspace_id
LEFT JOIN to_enqueue AS q ON true
