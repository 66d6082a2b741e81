"""A connector type that keeps books: which run wrote which record, under which fence."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg2
from pydantic import ConfigDict

from shared.connectors.base import ConfirmLease, ConnectorConfig, SyncRequest, SyncResult
from shared.connectors.dataset.turn import turn_of
from shared.connectors.watermarks import decode, encode
from shared.crash_points import CrashPoint, reach
from shared.errors import TransientError
from shared.flow import attempt as attempt_flow
from shared.flow import sources
from shared.flow import sync as sync_flow
from tests.faults.world import open_world

PAGE_ROWS = 12
"""Small, so that a sync has several merges to be killed between."""
STREAM = "record"
CURSOR = "changed"

_LOAD_WAIT = timedelta(milliseconds=500)
_NEWEST = "SELECT max(changed) FROM fault_source.record WHERE connector = %(connector)s"
# What comes while the run reads has the greatest value or one above it. Nothing above the value
# that was the greatest when the run began is read, so that the watermark steps over nothing.
_PAGE = """
SELECT record_id, changed, content FROM fault_source.record
WHERE connector = %(connector)s AND changed >= %(start)s AND changed <= %(until)s
    AND (changed, record_id) > (%(changed)s, %(record_id)s)
ORDER BY changed, record_id LIMIT %(rows)s
"""
_MERGE = """
WITH page AS (
    SELECT * FROM json_to_recordset(%(page)s) AS p (record_id bigint, changed bigint, content text)
), merged AS (
    INSERT INTO fault_dataset.record AS t (connector, record_id, changed, content)
    SELECT %(connector)s, record_id, changed, content FROM page
    ON CONFLICT (connector, record_id) DO UPDATE
    SET changed = excluded.changed, content = excluded.content
    WHERE (t.changed, t.content) IS DISTINCT FROM (excluded.changed, excluded.content)
    RETURNING record_id, changed, (xmax = 0) AS is_new
), noted AS (
    INSERT INTO fault_dataset.write (connector, record_id, changed, run, fence)
    SELECT %(connector)s, record_id, changed, %(run)s, %(fence)s FROM merged
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged
"""


class AnyConfig(ConnectorConfig):
    """Takes whatever a stored config holds."""

    model_config = ConfigDict(extra="allow")


Page = Sequence[tuple[Any, ...]]
"""Rows of (record_id, changed, content)."""


@dataclass(slots=True)
class Place:
    """How far a run has read, and up to where it reads; the position of a slice."""

    until: int
    changed: int
    record_id: int = 0

    def as_position(self) -> Mapping[str, object]:
        return {"until": self.until, "changed": self.changed, "record_id": self.record_id}


class LedgerConnector:
    """Reads `fault_source.record` in pages from the watermark on, and merges each by upsert."""

    slug = "database"
    config_model: type[ConnectorConfig] = AnyConfig

    def __init__(self) -> None:
        self.fence = 0

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Move what is new, in a turn as real loads have; without time left, a part of it."""
        place, pages, has_more = _read(request)
        reach(CrashPoint.READ)
        tally = [0, 0]
        if pages:
            try:
                self._load(request, confirm_lease, pages, tally)
            except psycopg2.Error as error:
                raise TransientError("The load broke off.", code="dataset_unavailable") from error
            reach(CrashPoint.LOADED)
        return SyncResult(
            records_processed=sum(len(page) for page in pages),
            records_created=tally[0],
            records_updated=tally[1],
            records_failed=0,
            watermarks=(encode(STREAM, CURSOR, place.changed),) if place.changed else (),
            metadata={"pages_fetched": len(pages)},
            positions={STREAM: place.as_position()} if has_more else None,
        )

    def warm_up(self) -> None:
        """Import nothing."""

    def _load(
        self,
        request: SyncRequest,
        confirm_lease: ConfirmLease,
        pages: Sequence[Page],
        tally: list[int],
    ) -> None:
        turn = turn_of(request.connector_id, request.dataset_url, _LOAD_WAIT, confirm_lease)
        with turn as held:
            connection = held.connection
            confirm_lease()
            reach(CrashPoint.TURN_TAKEN)
            # As in a real load, a merge commits only while the lease is held.
            connection.autocommit = False
            for page in pages:
                with connection, connection.cursor() as cursor:
                    cursor.execute(_MERGE, self._merge_parameters(request, page))
                    [(created, updated)] = cursor.fetchall()
                    confirm_lease()
                reach(CrashPoint.MERGED)
                tally[0] += created
                tally[1] += updated

    def _merge_parameters(self, request: SyncRequest, page: Page) -> Mapping[str, object]:
        names = ("record_id", "changed", "content")
        return {
            "connector": str(request.connector_id),
            "page": json.dumps([dict(zip(names, row, strict=True)) for row in page]),
            "run": str(request.run_id),
            "fence": self.fence,
        }


def install(patch: Callable[[object, str, object], None]) -> None:
    """Let every connector type be this one; `patch` sets an attribute of a module."""
    ledger = LedgerConnector()
    run_sync: Callable[..., object] = attempt_flow.run_sync

    def run_and_note_fence(job: sync_flow.SyncJob, *rest: Any) -> object:
        ledger.fence = job.facts["fence"]
        return run_sync(job, *rest)

    patch(sources, "connector_type", lambda _slug: ledger)
    patch(attempt_flow, "run_sync", run_and_note_fence)


def _read(request: SyncRequest) -> tuple[Place, list[Page], bool]:
    """Return how far was read, the pages, and whether there was no time for more."""
    stored = request.watermarks.get(STREAM)
    start = 0 if stored is None else int(str(decode(stored)))
    known = {"connector": str(request.connector_id), "start": start, "rows": PAGE_ROWS}
    position: Mapping[str, Any] | None = request.positions.get(STREAM)
    pages: list[Page] = []
    with closing(open_world(request.dataset_url)) as source, source.cursor() as cursor:
        if position is None:
            cursor.execute(_NEWEST, known)
            place = Place(until=cursor.fetchall()[0][0] or 0, changed=start)
        else:
            place = Place(**position)
        while True:
            cursor.execute(_PAGE, {**known, **place.as_position()})
            page = cursor.fetchall()
            if not page:
                return place, pages, False
            pages.append(page)
            place.record_id, place.changed = page[-1][0], page[-1][1]
            if not request.has_time():
                return place, pages, True
