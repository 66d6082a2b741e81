"""The records that could not be loaded, and the keys they have, on their way into a dataset."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from google.cloud.bigquery import SchemaField, TimePartitioning

from shared.connectors.bigquery.names import literal
from shared.connectors.dataset.brought import Brought
from shared.connectors.dataset.rejects import KEPT_DAYS, MOST_KEPT, Rejected

REJECTS_FIELDS = (
    SchemaField("stream", "STRING"),
    SchemaField("record_hash", "STRING"),
    SchemaField("reason", "STRING"),
    SchemaField("detail", "STRING"),
    SchemaField("record", "STRING"),
    SchemaField("run_id", "STRING"),
    SchemaField("first_rejected_at", "TIMESTAMP"),
    SchemaField("last_rejected_at", "TIMESTAMP"),
    SchemaField("times", "INT64"),
)
ASIDE_FIELDS = (
    SchemaField("record_hash", "STRING"),
    SchemaField("reason", "STRING"),
    SchemaField("detail", "STRING"),
    SchemaField("record", "STRING"),
    SchemaField("key", "STRING"),
)
"""What is staged of rejects: a row has a record, or the `key` of one as a JSON object of texts."""

_KEEP = """
MERGE {rejects} AS kept
USING (SELECT record_hash, reason, detail, record FROM {aside} WHERE record_hash IS NOT NULL) AS r
ON kept.stream = {stream} AND kept.record_hash = r.record_hash
WHEN MATCHED THEN UPDATE SET
    reason = r.reason,
    detail = r.detail,
    record = r.record,
    run_id = '{run_id}',
    last_rejected_at = CURRENT_TIMESTAMP(),
    times = kept.times + IF(kept.run_id = '{run_id}', 0, 1)
WHEN NOT MATCHED THEN INSERT (
    stream, record_hash, reason, detail, record, run_id, first_rejected_at, last_rejected_at, times
) VALUES (
    {stream}, r.record_hash, r.reason, r.detail, r.record, '{run_id}',
    CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP(), 1
);
"""
# The oldest of what is too much; those of long ago are gone with their partitions.
_BOUND = """
DELETE FROM {rejects}
WHERE CONCAT(stream, ' ', record_hash) IN (
    SELECT CONCAT(stream, ' ', record_hash) FROM {rejects} WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (ORDER BY last_rejected_at DESC, stream, record_hash) > {most}
);
"""


def keep_statements(rejects: str, aside: str, rejected: Rejected) -> str:
    """Return the statements that keep what is staged in `aside`, and no more than `MOST_KEPT`."""
    keep = _KEEP.format(
        rejects=rejects, aside=aside, stream=literal(rejected.stream), run_id=rejected.run_id
    )
    return keep + _BOUND.format(rejects=rejects, most=MOST_KEPT)


def rejects_partitioning() -> TimePartitioning:
    """Return how BigQuery forgets what no run rejected for 30 days, by itself."""
    return TimePartitioning(field="last_rejected_at", expiration_ms=KEPT_DAYS * 24 * 3_600_000)


def write_aside(brought: Brought, path: Path) -> bool:
    """Write what is staged of rejected records and their keys; return False if there is none."""
    rows = list(_rows(brought))
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    return bool(rows)


def _rows(brought: Brought) -> Iterator[Mapping[str, Any]]:
    for reject in brought.rejected.rejects:
        yield {
            "record_hash": reject.record_hash,
            "reason": reject.flaw.reason,
            "detail": reject.flaw.detail,
            "record": reject.record,
        }
    keys: Sequence[Mapping[str, str]] = brought.refresh.keys if brought.refresh else ()
    for key in keys:
        yield {"key": orjson.dumps(key).decode()}
