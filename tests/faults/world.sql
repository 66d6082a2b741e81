-- What the world has beside the product's tables: the truth, what landed, and what went wrong.

CREATE SCHEMA fault_source;
CREATE SCHEMA fault_dataset;
CREATE SCHEMA fault_log;

-- The truth. Every change of a record moves it to a cursor value that is not below any other.
CREATE TABLE fault_source.record (
    connector uuid NOT NULL,
    record_id bigint NOT NULL,
    changed bigint NOT NULL,
    content text NOT NULL GENERATED ALWAYS AS (
        md5(CAST(record_id AS text) || '.' || CAST(changed AS text))
    ) STORED,
    is_spoilt boolean NOT NULL DEFAULT false, -- no dataset takes it
    PRIMARY KEY (connector, record_id)
);
CREATE INDEX record_by_cursor ON fault_source.record (connector, changed, record_id);

-- Until when a source wants to be left alone.
CREATE TABLE fault_source.pause (
    connector uuid NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    until timestamptz NOT NULL
);

-- Where the ledger connector lands records.
CREATE TABLE fault_dataset.record (
    connector uuid NOT NULL,
    record_id bigint NOT NULL,
    changed bigint NOT NULL,
    content text NOT NULL
);
CREATE UNIQUE INDEX record_key ON fault_dataset.record (connector, record_id);

-- One row each time the ledger connector wrote a record, numbered while it held the merge lock.
CREATE TABLE fault_dataset.write (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connector uuid NOT NULL,
    record_id bigint NOT NULL,
    changed bigint NOT NULL,
    run uuid NOT NULL,
    fence bigint NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX write_of_record ON fault_dataset.write (connector, record_id, changed);

-- Which table of dlt's holds the records of which connector.
CREATE TABLE fault_dataset.place (connector uuid PRIMARY KEY, place text NOT NULL);

CREATE FUNCTION fault_dataset.landed_by_dlt() RETURNS SETOF fault_dataset.record
LANGUAGE plpgsql STABLE AS $$
DECLARE
    each fault_dataset.place%ROWTYPE;
BEGIN
    FOR each IN SELECT * FROM fault_dataset.place WHERE to_regclass(place) IS NOT NULL LOOP
        RETURN QUERY EXECUTE format(
            'SELECT CAST(%L AS uuid), record_id, changed, CAST(content AS text) FROM %s',
            each.connector,
            each.place
        );
    END LOOP;
END $$;

CREATE FUNCTION fault_dataset.rejected_by_dlt()
RETURNS TABLE (connector uuid, record_id bigint, run_id uuid, times bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    each fault_dataset.place%ROWTYPE;
    rejects text;
BEGIN
    FOR each IN SELECT * FROM fault_dataset.place LOOP
        rejects := split_part(each.place, '.', 1) || '.syncline_rejects';
        IF to_regclass(rejects) IS NOT NULL THEN
            RETURN QUERY EXECUTE format(
                'SELECT CAST(%L AS uuid), CAST(CAST(record AS jsonb) ->> ''record_id'' AS bigint),'
                ' run_id, times FROM %s',
                each.connector,
                rejects
            );
        END IF;
    END LOOP;
END $$;

-- What the invariants look at, wherever it landed.
CREATE VIEW fault_dataset.landed AS
SELECT connector, record_id, changed, content FROM fault_dataset.record;
CREATE VIEW fault_dataset.rejected AS SELECT * FROM fault_dataset.rejected_by_dlt();

-- From which instant on the periods of a schedule were missed, and until when they are owed: null
-- as long as nobody has disabled or deleted anything.
CREATE TABLE fault_log.expected (
    schedule_id bigint PRIMARY KEY,
    mark timestamptz NOT NULL,
    until timestamptz
);

CREATE TABLE fault_log.legal (before text, after text, PRIMARY KEY (before, after));

-- Every lease, in the order in which those of one connector were taken.
CREATE TABLE fault_log.lease (
    epoch bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connector_id bigint NOT NULL,
    run uuid NOT NULL,
    fence bigint NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX lease_of_run ON fault_log.lease (run, fence);

-- Every cancel, noted while it holds its run. `fence` is the one after it.
CREATE TABLE fault_log.cancel (
    run uuid NOT NULL,
    fence bigint NOT NULL,
    cancelled_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What a row did that it never may; kept instead of refused, so that the product goes on.
CREATE TABLE fault_log.wrong (rule text NOT NULL, detail text NOT NULL);

-- How far a run of the ledger connector has read, in an order; null for others.
CREATE FUNCTION fault_log.place(positions jsonb) RETURNS bigint [] LANGUAGE sql IMMUTABLE AS $$
    SELECT array[
        CAST(positions #>> '{record,changed}' AS bigint),
        CAST(positions #>> '{record,record_id}' AS bigint)
    ]
    WHERE positions #> '{record,changed}' IS NOT NULL
$$;

CREATE FUNCTION fault_log.watch_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.fence < old.fence THEN
        INSERT INTO fault_log.wrong VALUES (
            'fence only grows', format('run %s: from %s to %s', new.id, old.fence, new.fence)
        );
    END IF;
    IF new.status <> old.status AND NOT EXISTS (
        SELECT FROM fault_log.legal AS l WHERE l.before = old.status AND l.after = new.status
    ) THEN
        INSERT INTO fault_log.wrong VALUES (
            'transitions are legal', format('run %s: %s to %s', new.id, old.status, new.status)
        );
    END IF;
    IF new.status = 'in_progress' AND old.status = 'in_progress' AND new.fence <> old.fence THEN
        INSERT INTO fault_log.wrong VALUES (
            'nobody takes a lease that is held', format('run %s: %s', new.id, new.fence)
        );
    END IF;
    IF new.status = 'in_progress' AND old.status = 'scheduled' AND old.admitted_at IS NULL THEN
        INSERT INTO fault_log.wrong VALUES (
            'a run starts at a place that it was given', format('run %s', new.id)
        );
    END IF;
    IF new.status = 'cancelled' AND old.status <> 'cancelled' THEN
        INSERT INTO fault_log.cancel (run, fence)
        VALUES (new.workspace_connector_sync_log_id, new.fence);
    END IF;
    IF fault_log.place(new.positions) < fault_log.place(old.positions) THEN
        INSERT INTO fault_log.wrong VALUES (
            'a position never goes back',
            format('run %s: %s to %s', new.id, old.positions, new.positions)
        );
    END IF;
    IF new.status = 'in_progress' AND (old.status <> 'in_progress' OR new.fence <> old.fence) THEN
        INSERT INTO fault_log.lease (connector_id, run, fence)
        VALUES (new.connector_id, new.workspace_connector_sync_log_id, new.fence);
        IF new.fence <= old.fence THEN
            INSERT INTO fault_log.wrong VALUES (
                'each lease has a fence of its own', format('run %s: %s', new.id, new.fence)
            );
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER watch_run AFTER UPDATE ON workspace_connector_sync_log
FOR EACH ROW EXECUTE FUNCTION fault_log.watch_run();

CREATE FUNCTION fault_log.watch_watermark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fault_log.wrong VALUES (
        'a watermark never goes back',
        format('connector %s: %s to %s', new.connector_id, old.value, new.value)
    );
    RETURN NULL;
END $$;

CREATE TRIGGER watch_watermark AFTER UPDATE ON sync_watermark
FOR EACH ROW WHEN (
    CAST(new.value ->> 'value' AS bigint) < CAST(old.value ->> 'value' AS bigint)
) EXECUTE FUNCTION fault_log.watch_watermark();

-- What watches the product's tables works with the rights of whoever changes them.
GRANT USAGE ON SCHEMA fault_log TO syncline_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA fault_log TO syncline_system;
