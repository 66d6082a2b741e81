-- Of the entries of a workspace's audit log behind one, a page in their order: how many
-- there are, the last of them, and the first whose number or hashes are not what they should be.
WITH entries AS (
    SELECT a.*, sha256(a.previous_hash || convert_to(audit_text(a), 'UTF8')) AS computed
    FROM audit_log AS a
    WHERE a.workspace_id = CAST(:workspace_id AS bigint) AND a.seq > CAST(:after AS bigint)
    ORDER BY a.seq
    LIMIT CAST(:page AS bigint)
),
linked AS (
    SELECT
        seq,
        hash,
        seq = lag(seq, 1, CAST(:after AS bigint)) OVER (ORDER BY seq) + 1
            AND previous_hash = lag(hash, 1, CAST(:after_hash AS bytea)) OVER (ORDER BY seq)
            AND hash = computed AS is_whole
    FROM entries
)
SELECT
    count(*) AS entries,
    max(seq) AS last_seq,
    (SELECT hash FROM linked ORDER BY seq DESC LIMIT 1) AS last_hash,
    min(seq) FILTER (WHERE NOT is_whole) AS broken_at
FROM linked
