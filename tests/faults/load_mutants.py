"""Ways to do without what protects a dataset: turns, confirmations, merges, watermarks."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from shared.connectors.base import ConfirmLease, SyncRequest
from shared.connectors.dataset import turn
from shared.connectors.watermarks import encode
from shared.flow.heartbeat import Heartbeat
from shared.store.rows import to_json
from tests.faults import ledger_connector
from tests.faults.ledger_connector import CURSOR, STREAM, LedgerConnector, Page, Place
from tests.faults.mutations import Patch, replaced
from tests.faults.world import open_world

_MOVE_AHEAD = """
INSERT INTO sync_watermark (connector_id, stream, workspace_id, cursor, value, run_id)
SELECT connector_id, %s, workspace_id, %s, jsonb_build_object('type', 'int', 'value', %s), id
FROM workspace_connector_sync_log WHERE workspace_connector_sync_log_id = %s
ON CONFLICT (connector_id, stream) DO UPDATE SET value = excluded.value, run_id = excluded.run_id
"""
_MOVE_POSITIONS_AHEAD = """
UPDATE workspace_connector_sync_log SET positions = CAST(%s AS jsonb)
WHERE workspace_connector_sync_log_id = %s
"""


def confirm_nothing(patch: Patch) -> None:
    """Let a worker load without asking whether it holds its run."""
    patch(Heartbeat, "confirm", lambda _: None)


def merge_unconfirmed(patch: Patch) -> None:
    """Let a worker ask when its turn begins, and not again before its merges commit."""
    load = LedgerConnector._load

    def confirm_once(
        connector: LedgerConnector,
        request: SyncRequest,
        confirm_lease: ConfirmLease,
        pages: Sequence[Page],
        tally: list[int],
    ) -> None:
        left = [confirm_lease]

        def confirm() -> None:
            if left:
                left.pop()()

        load(connector, request, confirm, pages, tally)

    patch(LedgerConnector, "_load", confirm_once)


def merge_unconfirmed_for_real(patch: Patch) -> None:
    """Let a real load ask when its turn begins, and not again before its merges commit."""
    from shared.connectors.dataset.postgres import PostgresDataset  # noqa: PLC0415 (dlt is slow to import)

    load = PostgresDataset.load

    def load_unasked(dataset: Any, *values: Any) -> Any:
        dataset._confirm_lease = lambda: None
        return load(dataset, *values)

    patch(PostgresDataset, "load", load_unasked)


def load_without_turn(patch: Patch) -> None:
    """Let several loads of a connector run at the same time."""
    take = turn.take_turn
    patch(turn, "take_turn", lambda *arguments: take(*arguments) or True)
    patch(turn, "keep_turn", lambda *_: True)


def merge_by_insert(patch: Patch) -> None:
    """Write what was read as new rows."""
    merge = replaced(
        ledger_connector._MERGE, r"ON CONFLICT .*?\(excluded\.changed, excluded\.content\)"
    )
    patch(ledger_connector, "_MERGE", merge)


def merge_by_insert_for_real(patch: Patch) -> None:
    """Let a real load write what was read as new rows, into a table without a key."""
    from shared.connectors.dataset import postgres as dataset  # noqa: PLC0415 (as above)

    merge = dataset.merge_statement

    def insert(*values: Any) -> str:
        return replaced(merge(*values), r"ON CONFLICT .*?(?= RETURNING)")

    patch(dataset, "merge_statement", insert)
    patch(dataset, "keep_key_index", lambda *_: None)


def start_behind_the_watermark(patch: Patch) -> None:
    """Read only what is greater than the watermark."""
    page = replaced(ledger_connector._PAGE, r"changed >= %\(start\)s", "changed > %(start)s")
    patch(ledger_connector, "_PAGE", page)


def start_behind_the_watermark_for_real(patch: Patch) -> None:
    """Read only what is greater than the watermark; the cursors of worlds are whole numbers."""
    from shared.connectors.database.table import TablePlan  # noqa: PLC0415 (as above)

    start = TablePlan.start

    def start_behind(*values: Any) -> Any:
        first: Any = start(*values)
        return None if first is None else first + 1

    patch(TablePlan, "start", start_behind)


def move_the_watermark_first(patch: Patch) -> None:
    """Commit the watermark as soon as the data was read."""
    read = ledger_connector._read

    def read_and_move(request: SyncRequest) -> tuple[Place, list[Page], bool]:
        place, pages, has_more = read(request)
        watermark = encode(STREAM, CURSOR, place.changed)
        values = (STREAM, CURSOR, watermark.value["value"], str(request.run_id))
        with closing(open_world(request.dataset_url)) as connection, connection.cursor() as cursor:
            cursor.execute(_MOVE_AHEAD, values)
        return place, pages, has_more

    patch(ledger_connector, "_read", read_and_move)


def move_the_positions_first(patch: Patch) -> None:
    """Commit how far a slice has read as soon as the data was read."""
    read = ledger_connector._read

    def read_and_move(request: SyncRequest) -> tuple[Place, list[Page], bool]:
        place, pages, has_more = read(request)
        values = (to_json({STREAM: place.as_position()}), str(request.run_id))
        with closing(open_world(request.dataset_url)) as connection, connection.cursor() as cursor:
            cursor.execute(_MOVE_POSITIONS_AHEAD, values)
        return place, pages, has_more

    patch(ledger_connector, "_read", read_and_move)


def leave_the_turn_to_its_holder(patch: Patch) -> None:
    """Wait for a turn that does not come, and take it from nobody."""
    patch(turn, "_end_holder", lambda *_: None)
