"""The receipts of a connector's reports: a table beside its dataset, written under its turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.connectors.bufdir.payload import Payload
from shared.connectors.bufdir.verdict import Verdict
from shared.connectors.dataset.readers import grant_schema
from shared.domain.reporting import RECEIPTS_TABLE, ReportState, Settlement, report_key

_LONGEST_ERROR = 2_000
_MOST_OPEN = 100

_MAKE = """
CREATE TABLE IF NOT EXISTS {table} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period text NOT NULL,
    correction integer NOT NULL CHECK (correction >= 0),
    idempotency_key text NOT NULL UNIQUE,
    endpoint text,
    state text NOT NULL
        CHECK (state IN ('waiting', 'sending', 'accepted', 'refused', 'unknown')),
    requests integer NOT NULL DEFAULT 0,
    row_count bigint,
    payload_sha256 text,
    payload bytea,
    content_type text,
    http_status integer,
    receipt text,
    error text,
    run_id uuid,
    asked_by text,
    asked_why text,
    asked_at timestamptz,
    settled_as text,
    settled_by text,
    settled_why text,
    settled_at timestamptz,
    acted_as uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    answered_at timestamptz,
    UNIQUE (period, correction),
    CHECK (state NOT IN ('sending', 'unknown') OR payload IS NOT NULL)
)
"""
_COLUMNS = """
id, period, correction, idempotency_key, endpoint, state, requests, row_count, payload_sha256,
http_status, receipt, error, run_id, asked_by, asked_why, asked_at, settled_as, settled_by,
settled_why, settled_at, created_at, sent_at, answered_at
"""
_NEWEST = "SELECT {columns} FROM {table} WHERE period = %s ORDER BY correction DESC LIMIT 1"
_ACTED_ON = """
SELECT {columns} FROM {table} WHERE period = %s AND acted_as = %s ORDER BY correction DESC LIMIT 1
"""
_LIST = """
SELECT {columns} FROM {table} WHERE %(before)s::bigint IS NULL OR id < %(before)s::bigint
ORDER BY id DESC LIMIT %(limit)s
"""
_OPEN = """
SELECT DISTINCT period FROM {table} WHERE state IN ('waiting', 'sending') ORDER BY 1 LIMIT %s
"""
_ASKED = """
SELECT EXISTS (
    SELECT FROM {table}
    WHERE (asked_at IS NOT NULL OR settled_at IS NOT NULL)
        AND (state IN ('waiting', 'sending') OR run_id = %s)
)
"""
_KEPT = "SELECT payload, content_type, row_count FROM {table} WHERE id = %s AND payload IS NOT NULL"
_BEGIN = """
INSERT INTO {table} AS t (period, correction, idempotency_key, endpoint, state, requests,
    row_count, payload_sha256, payload, content_type, run_id, sent_at)
VALUES (%(period)s, %(correction)s, %(key)s, %(endpoint)s, 'sending', 1, %(rows)s, %(sha256)s,
    %(payload)s, %(content_type)s, %(run_id)s, clock_timestamp())
ON CONFLICT (period, correction) DO UPDATE
SET state = 'sending', endpoint = excluded.endpoint, requests = t.requests + 1,
    row_count = excluded.row_count, payload_sha256 = excluded.payload_sha256,
    payload = excluded.payload,
    content_type = excluded.content_type, run_id = excluded.run_id, sent_at = excluded.sent_at,
    error = NULL, http_status = NULL
WHERE t.state IN ('waiting', 'sending')
RETURNING id, requests, idempotency_key
"""
# What is not in doubt any more is not kept: it may hold what people should not read for ever.
_END = """
UPDATE {table}
SET state = %(state)s, http_status = coalesce(%(status)s, http_status), receipt = %(receipt)s,
    error = %(error)s, answered_at = clock_timestamp(),
    payload = CASE WHEN %(state)s IN ('sending', 'unknown') THEN payload END
WHERE id = %(id)s AND state = 'sending' AND requests = %(requests)s
"""
_CORRECT = """
INSERT INTO {table} (period, correction, idempotency_key, state, asked_by, asked_why, asked_at,
    acted_as)
VALUES (%(period)s, %(correction)s, %(key)s, 'waiting', %(by)s, %(why)s, clock_timestamp(),
    %(request)s)
RETURNING {columns}
"""
_SETTLE = """
UPDATE {table}
SET state = %(state)s, settled_as = %(as)s, settled_by = %(by)s, settled_why = %(why)s,
    settled_at = clock_timestamp(), acted_as = %(request)s, error = NULL,
    payload = CASE WHEN %(state)s = 'waiting' THEN payload END
WHERE id = %(id)s AND state IN ('sending', 'unknown')
RETURNING {columns}
"""
_HOLDS_IT = "SELECT to_regclass(%s) IS NOT NULL"
# A column that tables of the first version lack.
_KNOWS_ACTS = """
SELECT EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'acted_as'
)
"""
_LET_KNOW_ACTS = "ALTER TABLE {table} ADD COLUMN IF NOT EXISTS acted_as uuid"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One report or correction, as it is kept; who writes each state says `ReportState`.

    `requests` counts those that were begun. `run_id` is the run that sent it last. `asked_*` are of
    a correction, `settled_*` of what a person found out; both hold names as people gave them.
    """

    id: int
    period: str
    correction: int
    idempotency_key: str
    endpoint: str | None
    state: ReportState
    requests: int
    row_count: int | None
    payload_sha256: str | None
    http_status: int | None
    receipt: str | None
    error: str | None
    run_id: UUID | None
    asked_by: str | None
    asked_why: str | None
    asked_at: datetime | None
    settled_as: str | None
    settled_by: str | None
    settled_why: str | None
    settled_at: datetime | None
    created_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Which report is sent, where to, and by which run; `correction` is 0 for the first."""

    period: str
    correction: int
    endpoint: str
    run_id: UUID


@dataclass(frozen=True, slots=True)
class Begun:
    """A request that may be made: the row that says so, its number there, and its key."""

    id: int
    requests: int
    key: str


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did about a report: the name of who did it, and why.

    `request` tells it from other acts, so that whoever asks again finds it done.
    """

    by: str | None
    why: str | None
    request: UUID | None = None


class Receipts:
    """The receipts of one connector, on a connection that is in autocommit.

    Whoever writes holds the connector's turn, which is that connection. Methods raise what psycopg2
    does.
    """

    def __init__(self, connection: Connection, schema: str, connector_id: UUID) -> None:
        self._connection = connection
        self._schema = schema
        self._connector_id = connector_id
        self._names = {
            "table": sql.Identifier(schema, RECEIPTS_TABLE),
            "columns": sql.SQL(_COLUMNS),
        }

    def exist(self) -> bool:
        """Tell whether a run has made the table."""
        return self._tells(_HOLDS_IT)

    def make(self, reader: str | None) -> None:
        """Make the table if it is not there, and let the workspace's reader read it.

        One of the first version gets what it lacks: a worker waits better than a person does, for
        whoever reads the table at that moment.
        """
        if self.exist():
            self._complete()
            return
        with self._connection, self._connection.cursor() as cursor:
            schema = sql.Identifier(self._schema)
            cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
            cursor.execute(self._sql(_MAKE))
            if reader is not None:
                grant_schema(cursor, reader, self._schema)

    def newest(self, period: str) -> Receipt | None:
        """Return the newest report of a period, None if there is none."""
        found = self._rows(_NEWEST, (period,))
        return found[0] if found else None

    def acted_on(self, period: str, request: UUID) -> Receipt | None:
        """Return the report of a period that a request asked for or settled, None if none yet."""
        if not self._tells(_KNOWS_ACTS):
            return None
        found = self._rows(_ACTED_ON, (period, str(request)))
        return found[0] if found else None

    def page(self, *, before: int | None, limit: int) -> Sequence[Receipt]:
        """Return up to `limit` reports before an internal key, newest first."""
        return self._rows(_LIST, {"before": before, "limit": limit})

    def open_periods(self) -> Sequence[str]:
        """Return the periods of reports that are to be sent, or sent again."""
        with self._connection.cursor() as cursor:
            cursor.execute(self._sql(_OPEN), (_MOST_OPEN,))
            return [period for (period,) in cursor.fetchall()]

    def were_asked_for(self, run_id: UUID) -> bool:
        """Tell whether people asked for reports that this run is to send, or has sent."""
        with self._connection.cursor() as cursor:
            cursor.execute(self._sql(_ASKED), (str(run_id),))
            return cursor.fetchone() == (True,)

    def kept_payload(self, cursor: Cursor, receipt: Receipt) -> Payload | None:
        """Return what a report sent before, if that may have arrived."""
        cursor.execute(self._sql(_KEPT), (receipt.id,))
        row = cursor.fetchone()
        return None if row is None else Payload(bytes(row[0]), row[1], row[2])

    def begin(self, cursor: Cursor, identity: Identity, payload: Payload) -> Begun:
        """Write down that a report is being sent, within the transaction of the cursor.

        Raises `RuntimeError` if it is not to be sent: whoever holds the turn has just seen it.
        """
        parameters = {
            "period": identity.period,
            "correction": identity.correction,
            "key": report_key(self._connector_id, identity.period, identity.correction),
            "endpoint": identity.endpoint,
            "rows": payload.rows,
            "sha256": payload.sha256,
            "payload": payload.content,
            "content_type": payload.content_type,
            "run_id": str(identity.run_id),
        }
        cursor.execute(self._sql(_BEGIN), parameters)
        row = cursor.fetchone()
        if row is None:
            raise RuntimeError("a report was to be sent that is not open")
        return Begun(*row)

    def end(self, begun: Begun, verdict: Verdict) -> None:
        """Write down what became of a request, if it is still the newest of its report.

        The lease is not asked: what whoever receives the report has done is so, whoever holds the
        run now, and nobody else has written meanwhile, since this connection is the turn.
        """
        parameters = {
            "id": begun.id,
            "requests": begun.requests,
            "state": verdict.state,
            "status": verdict.status,
            "receipt": verdict.receipt,
            "error": None if verdict.error is None else str(verdict.error)[:_LONGEST_ERROR],
        }
        with self._connection.cursor() as cursor:
            cursor.execute(self._sql(_END), parameters)

    def correct(self, newest: Receipt, act: Act) -> Receipt:
        """Let the next run send another report of the same period."""
        self._complete()
        correction = newest.correction + 1
        parameters = {
            "period": newest.period,
            "correction": correction,
            "key": report_key(self._connector_id, newest.period, correction),
            **_of_act(act),
        }
        return self._rows(_CORRECT, parameters)[0]

    def settle(self, receipt: Receipt, settlement: Settlement, act: Act) -> Receipt:
        """End the doubt about a report; one that is sent again is sent as it was."""
        self._complete()
        is_over = settlement is Settlement.ARRIVED
        parameters = {
            "id": receipt.id,
            "state": ReportState.ACCEPTED if is_over else ReportState.WAITING,
            "as": settlement,
            **_of_act(act),
        }
        return self._rows(_SETTLE, parameters)[0]

    def _complete(self) -> None:
        if not self._tells(_KNOWS_ACTS):
            with self._connection.cursor() as cursor:
                cursor.execute(self._sql(_LET_KNOW_ACTS))

    def _tells(self, query: str) -> bool:
        """Return what a query says of the table."""
        name = sql.Identifier(self._schema, RECEIPTS_TABLE).as_string(self._connection)
        with self._connection.cursor() as cursor:
            cursor.execute(query, (name,))
            return cursor.fetchone() == (True,)

    def _rows(self, query: str, parameters: Any) -> Sequence[Receipt]:
        with self._connection.cursor() as cursor:
            cursor.execute(self._sql(query), parameters)
            names = [column.name for column in cursor.description or ()]
            return [_receipt(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]

    def _sql(self, query: str) -> sql.Composed:
        return sql.SQL(query).format(**self._names)


def _of_act(act: Act) -> dict[str, str | None]:
    request = None if act.request is None else str(act.request)
    return {"by": act.by, "why": act.why, "request": request}


def _receipt(row: dict[str, Any]) -> Receipt:
    run_id = row["run_id"]
    row |= {"state": ReportState(row["state"]), "run_id": run_id and UUID(run_id)}
    return Receipt(**row)
