"""The table of a dataset that keeps the records which could not be loaded."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)
from psycopg2.sql import SQL, Identifier

from shared.connectors.rejects import Reject
from shared.domain.dataset import REJECTS_TABLE
from shared.domain.fault import Fault
from shared.errors import PermanentError

KEPT_DAYS = 30
MOST_KEPT = 10_000
"""How many rejected records a dataset keeps, the newest ones; all are counted with their runs."""

_CREATE = SQL(
    """
CREATE TABLE IF NOT EXISTS {table} (
    stream text NOT NULL,
    record_hash text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    record text NOT NULL,
    run_id uuid NOT NULL,
    first_rejected_at timestamptz NOT NULL DEFAULT now(),
    last_rejected_at timestamptz NOT NULL DEFAULT now(),
    times bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (stream, record_hash)
)
"""
)
_WRITE = SQL(
    """
INSERT INTO {table} AS kept (stream, record_hash, reason, detail, record, run_id)
SELECT %(stream)s, record_hash, reason, detail, record, CAST(%(run_id)s AS uuid)
FROM jsonb_to_recordset(CAST(%(rejects)s AS jsonb))
    AS r (record_hash text, reason text, detail text, record text)
ON CONFLICT (stream, record_hash) DO UPDATE
SET reason = excluded.reason,
    detail = excluded.detail,
    record = excluded.record,
    run_id = excluded.run_id,
    last_rejected_at = excluded.last_rejected_at,
    -- A run that comes by again, after a slice that was not recorded, counts once.
    times = kept.times + CASE WHEN kept.run_id = excluded.run_id THEN 0 ELSE 1 END
"""
)
# Few rows, so that no index is worth it: there are never many more than are kept.
_BOUND = SQL(
    """
DELETE FROM {table}
WHERE (stream, record_hash) IN (
    SELECT stream, record_hash FROM {table}
    ORDER BY last_rejected_at DESC, stream, record_hash
    OFFSET %(most)s
)
"""
)
_HAS_TABLE = "SELECT to_regclass(%s) IS NOT NULL"
_PRUNE = SQL("DELETE FROM {table} WHERE last_rejected_at < now() - make_interval(days => %(days)s)")


@dataclass(frozen=True, slots=True)
class Rejected:
    """What a slice of a run rejected of a stream; each record once, however often it came."""

    stream: str
    run_id: UUID
    rejects: Sequence[Reject] = field(default_factory=tuple[Reject, ...])


def check_table_name(stream: str, table: str) -> None:
    """Raise `PermanentError` if a stream's table would be that of the rejects."""
    if table == REJECTS_TABLE:
        raise PermanentError(
            f"The stream {stream} would land in the table {REJECTS_TABLE}, where a dataset keeps"
            " records that cannot be loaded: rename it at the source, or leave it out.",
            fault=Fault.SETTINGS,
        )


def write_rejects(cursor: Cursor, schema: str, rejected: Rejected) -> None:
    """Keep the rejects in the schema, in the open transaction, and no more than `MOST_KEPT` there.

    A record that was rejected before keeps its row. Nothing happens, not even a round trip,
    without rejects.
    """
    if not rejected.rejects:
        return
    rows = [
        {
            "record_hash": reject.record_hash,
            "reason": reject.flaw.reason,
            "detail": reject.flaw.detail,
            "record": reject.record,
        }
        for reject in rejected.rejects
    ]
    parameters = {
        "stream": rejected.stream,
        "rejects": json.dumps(rows),
        "run_id": str(rejected.run_id),
        "most": MOST_KEPT,
    }
    statements = SQL("; ").join([_CREATE, _WRITE, _BOUND])
    table = Identifier(schema, REJECTS_TABLE)
    cursor.execute(SQL(statements.as_string(cursor)).format(table=table), parameters)


def prune_rejects(connection: Connection, schema: str) -> None:
    """Forget what no run rejected for 30 days, whether or not anything is rejected now.

    The connection commits each statement.
    """
    table = Identifier(schema, REJECTS_TABLE)
    with connection.cursor() as cursor:
        cursor.execute(_HAS_TABLE, (table.as_string(cursor),))
        if cursor.fetchone() == (True,):
            cursor.execute(_PRUNE.format(table=table), {"days": KEPT_DAYS})
