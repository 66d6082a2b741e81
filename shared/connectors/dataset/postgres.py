"""The dataset in PostgreSQL: each stream is staged, merged and counted in one transaction.

A merge inserts rows whose primary key is new and updates rows of which a value differs. What is
read again without a change is left alone and counts as neither.
"""

import logging
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta

import psycopg2
from dlt.common.schema.typing import TTableSchemaColumns
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)

from shared.clock import monotonic
from shared.connectors.base import ConfirmLease, SyncRequest
from shared.connectors.dataset.columns import fit_columns
from shared.connectors.dataset.destination import PostgresDestination
from shared.connectors.dataset.keys import keep_key_index
from shared.connectors.dataset.merge import merge_statement
from shared.connectors.dataset.readers import grant_schema
from shared.connectors.dataset.refresh import Deletion, follow_refresh
from shared.connectors.dataset.rejects import prune_rejects, write_rejects
from shared.connectors.dataset.seam import Prepared, StreamLoad
from shared.connectors.dataset.staging import (
    Found,
    Place,
    check_target,
    drop_staging,
    look_at,
    make_schemas,
    make_tables,
    stage,
)
from shared.connectors.dataset.tally import LoadTally
from shared.connectors.dataset.telling import load_table, log_change, told_change
from shared.connectors.dataset.turn import Turn, turn_of
from shared.connectors.failures import dataset_failure
from shared.connectors.postgres import LineConnection
from shared.crash_points import CrashPoint, reach
from shared.egress.lines import ANSWER, CONNECT, STATEMENT
from shared.errors import SynclineError

_log = logging.getLogger(__name__)

_LOCK_SECONDS = 60
_IDLE_SECONDS = 60
"""How long a transaction of ours may stand still, as it does while the lease is confirmed."""
_UNSEEN = timedelta(seconds=5)
"""A connection that was not used for so long is asked whether it is still there."""
_SET_SESSION = """
SELECT set_config('search_path', %s, false),
    set_config('statement_timeout', %s, false),
    set_config('lock_timeout', %s, false),
    set_config('idle_in_transaction_session_timeout', %s, false)
"""


class PostgresDataset:
    """The schema of a connector, written on the one connection that holds the turn."""

    def __init__(
        self, request: SyncRequest, confirm_lease: ConfirmLease, load_wait: timedelta
    ) -> None:
        self._request = request
        self._confirm_lease = confirm_lease
        self._load_wait = load_wait
        self._destination = PostgresDestination()
        self._held = ExitStack()
        self._turn: Turn | None = None
        self._used_at = 0.0

    @property
    def destination(self) -> PostgresDestination:
        """Return what dlt prepares files for."""
        return self._destination

    def hints(self, columns: TTableSchemaColumns) -> TTableSchemaColumns:
        """Return the hints of a stream as they are: dlt's files for PostgreSQL keep every value."""
        return columns

    def take_turn(self) -> None:
        """Take the connector's turn to load, and keep it until `close`."""
        if self._turn is not None and self._is_there(self._turn.connection):
            return
        self.close()
        with _told():
            try:
                self._turn = self._opened()
            except BaseException:
                self.close()
                raise
        self._used_at = monotonic()

    def load(self, prepared: Prepared, load: StreamLoad) -> LoadTally:
        """Stage and merge the files, with what was brought, while the turn is held."""
        place = self._place(load)
        types = self._destination.column_types(prepared.schema, prepared.table)
        table = load_table(prepared, load, place.target, place.staging)
        with self._transaction() as cursor:
            found = look_at(cursor, place)
            check_target(found, place, is_continued=load.is_continued)
            make_schemas(cursor, found.missing_schemas)
            make_tables(cursor, place, types, with_target=not found.has_target)
            stage(cursor, place, prepared.files)
            reach(CrashPoint.STAGED)
            landing = fit_columns(cursor, table)
            keep_key_index(cursor, table, found.key_indexes)
            cursor.execute(merge_statement(table, landing))
            created, updated = cursor.fetchone() or (0, 0)
            deletion = self._write_brought(cursor, load, place, is_staged=True)
            drop_staging(cursor, place)
            self._grant(cursor, found)
        reach(CrashPoint.MERGED)
        for change in landing.changes:
            log_change(table, change)
        told = [told_change(table, change) for change in landing.changes]
        return LoadTally(created, updated, deletion.deleted, deletion.held, told)

    def write_alone(self, load: StreamLoad) -> LoadTally:
        """Write what was brought of a stream that has no row to load."""
        place = self._place(load)
        with self._transaction() as cursor:
            found = look_at(cursor, place)
            make_schemas(cursor, found.missing_schemas)
            deletion = self._write_brought(cursor, load, place, is_staged=False)
            self._grant(cursor, found)
        return LoadTally(deleted=deletion.deleted, held=deletion.held, has_table=found.has_target)

    def close(self) -> None:
        """Forget rejects of long ago, and give the turn back."""
        turn, self._turn = self._turn, None
        with suppress(Exception), self._held:
            if turn is not None and not turn.connection.closed:
                prune_rejects(turn.connection, self._request.dataset_name)

    def _place(self, load: StreamLoad) -> Place:
        schema = self._request.dataset_name
        return Place(schema, f"{schema}_staging", load.table, load.key)

    def _is_there(self, connection: LineConnection) -> bool:
        if connection.closed:
            return False
        if monotonic() - self._used_at < _UNSEEN.total_seconds():
            return True
        connection.line.patience = CONNECT
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT")
        except psycopg2.Error:
            return False
        connection.line.patience = ANSWER
        return True

    def _opened(self) -> Turn:
        request = self._request
        turn = self._held.enter_context(
            turn_of(
                request.connector_id,
                request.dataset_url,
                self._load_wait,
                self._confirm_lease,
                request.lines,
            )
        )
        self._confirm_lease()
        reach(CrashPoint.TURN_TAKEN)
        with turn.connection.cursor() as cursor:
            cursor.execute(
                _SET_SESSION,
                (
                    f'"{request.dataset_name}"',
                    f"{STATEMENT.total_seconds():.0f}s",
                    f"{_LOCK_SECONDS}s",
                    f"{_IDLE_SECONDS}s",
                ),
            )
        return turn

    @contextmanager
    def _transaction(self) -> Generator[Cursor]:
        """Commit the block if the lease is held then, or let nothing of it have happened."""
        turn = self._turn
        if turn is None:
            raise RuntimeError("a dataset is written while its turn is held")
        connection = turn.connection
        with _told():
            try:
                connection.autocommit = False
                with connection.cursor() as cursor:
                    turn.keep(cursor)
                    yield cursor
                # Who gets the lease after this loads after the commit: it takes the turn, which is
                # this connection's, and the transaction ends before the turn does.
                self._confirm_lease()
                connection.commit()
                connection.autocommit = True
            except BaseException:
                self._undo(connection)
                raise
        self._used_at = monotonic()

    def _undo(self, connection: LineConnection) -> None:
        try:
            connection.rollback()
            connection.autocommit = True
        except psycopg2.Error:
            self.close()

    def _grant(self, cursor: Cursor, found: Found) -> None:
        """Let the workspace's reader read a schema that is new, with whatever comes into it.

        Last of all, since other changes of the reader's rights wait until the transaction ends.
        """
        schema, reader = self._request.dataset_name, self._request.reader
        if reader is not None and schema in found.missing_schemas:
            grant_schema(cursor, reader, schema)

    def _write_brought(
        self, cursor: Cursor, load: StreamLoad, place: Place, *, is_staged: bool
    ) -> Deletion:
        write_rejects(cursor, place.schema, load.brought.rejected)
        if load.brought.refresh is None:
            return Deletion()
        return follow_refresh(cursor, place, load.brought.refresh, is_staged=is_staged)


@contextmanager
def _told() -> Generator[None]:
    """Let whatever goes wrong in the block be the dataset's."""
    try:
        yield
    except SynclineError:
        raise
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise dataset_failure(error) from None
