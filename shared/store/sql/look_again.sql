-- Put off the looks at what is unread of some connectors, which the caller holds.
UPDATE unread_change AS u
SET look_at = w.look_at
FROM jsonb_to_recordset(CAST(:looks AS jsonb)) AS w (connector_id bigint, look_at timestamptz)
WHERE u.connector_id = w.connector_id
