"""The dataset of a connector in BigQuery, as one slice of a run writes it.

Rows are staged by a load job, and one script merges, counts and keeps what was brought beside them,
in a transaction that does nothing once another lease has the turn. Columns are added and widened
before it: that loses nothing, and a repeat finds them.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from dlt.common.schema.typing import TTableSchemaColumns
from google.cloud.bigquery import SchemaField, TableReference

from shared.clock import utc_now
from shared.connectors.base import ConfirmLease, SyncRequest
from shared.connectors.bigquery.destination import BigQueryDestination
from shared.connectors.bigquery.fitting import fit_columns
from shared.connectors.bigquery.following import Following
from shared.connectors.bigquery.merge import merge_statements
from shared.connectors.bigquery.names import job_part
from shared.connectors.bigquery.preparing import hints_for_files, prepare
from shared.connectors.bigquery.rejects import (
    ASIDE_FIELDS,
    REJECTS_FIELDS,
    keep_statements,
    rejects_partitioning,
    write_aside,
)
from shared.connectors.bigquery.session import Session, told
from shared.connectors.bigquery.tables import held_columns, schema_of, sql_name
from shared.connectors.dataset.refresh import Deletion
from shared.connectors.dataset.seam import Prepared, StreamLoad
from shared.connectors.dataset.tally import LoadTally
from shared.connectors.dataset.telling import load_table, log_change, told_change
from shared.connectors.sandbox import working_folder
from shared.crash_points import CrashPoint, reach
from shared.domain.dataset import REJECTS_TABLE


class BigQueryDataset:
    """What the runner asks of a dataset, in BigQuery."""

    def __init__(self, request: SyncRequest, confirm_lease: ConfirmLease) -> None:
        self._request = request
        self._confirm_lease = confirm_lease
        self._destination = BigQueryDestination()
        self._opened: Session | None = None

    @property
    def destination(self) -> BigQueryDestination:
        """Return what dlt prepares files for."""
        return self._destination

    def hints(self, columns: TTableSchemaColumns) -> TTableSchemaColumns:
        """Return the hints of a stream with which dlt's files keep every value."""
        return hints_for_files(columns)

    def take_turn(self) -> None:
        """Take the connector's turn to load, and keep it until somebody else does."""
        self._session.take_turn()

    def load(self, prepared: Prepared, load: StreamLoad) -> LoadTally:
        """Stage and merge the files, with what was brought, while the turn is held."""
        session = self._session
        target = session.place.target(load.table)
        with told(), ExitStack() as stack:
            folder = stack.enter_context(working_folder())
            staging = self._staging("load", load)
            staged = prepare(prepared.schema, prepared.table, prepared.files, folder, key=load.key)
            fields = schema_of(staged.types)
            stack.enter_context(self._staged("load", load, staged.path, fields))
            aside = stack.enter_context(self._aside(load, folder))
            reach(CrashPoint.STAGED)
            table = load_table(prepared, load, sql_name(target), sql_name(staging))
            fitted = fit_columns(
                session, target, table, staged.types, is_continued=load.is_continued
            )
            merge = merge_statements(table, fitted.landing, fitted.types)
            following = self._following(load, fitted.types, staging, aside)
            done = self._write(load, [merge], following, aside)
            reach(CrashPoint.MERGED)
            deletion = Deletion() if following is None else following.end()
        for change in fitted.landing.changes:
            log_change(table, change)
        told_changes = [told_change(table, change) for change in fitted.landing.changes]
        return LoadTally(
            done["created"], done["updated"], deletion.deleted, deletion.held, told_changes
        )

    def write_alone(self, load: StreamLoad) -> LoadTally:
        """Write what was brought of a stream that has no row to load."""
        session = self._session
        with told(), ExitStack() as stack:
            folder = stack.enter_context(working_folder())
            aside = stack.enter_context(self._aside(load, folder))
            found = session.tables.find(session.place.target(load.table))
            following = None
            if found is not None:
                types = {name: one.kind for name, one in held_columns(found.schema).items()}
                following = self._following(load, types, None, aside)
            self._write(load, [], following, aside)
            deletion = Deletion() if following is None else following.end()
        return LoadTally(deleted=deletion.deleted, held=deletion.held, has_table=found is not None)

    def close(self) -> None:
        """Close the connection; never raises."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def _session(self) -> Session:
        if self._opened is None:
            self._opened = Session(self._request, self._confirm_lease)
        return self._opened

    def _write(
        self,
        load: StreamLoad,
        statements: Sequence[str],
        following: Following | None,
        aside: TableReference | None,
    ) -> Mapping[str, Any]:
        session, rejected = self._session, load.brought.rejected
        wanted = list(statements)
        if aside is not None and rejected.rejects:
            rejects = session.place.target(REJECTS_TABLE)
            session.tables.make(rejects, REJECTS_FIELDS, partitioning=rejects_partitioning())
            wanted.append(keep_statements(sql_name(rejects), sql_name(aside), rejected))
        if following is not None:
            wanted += following.begin()
        return session.write(f"merge_{job_part(load.table)}", wanted)

    def _following(
        self,
        load: StreamLoad,
        types: Mapping[str, str],
        staging: TableReference | None,
        aside: TableReference | None,
    ) -> Following | None:
        refresh = load.brought.refresh
        if refresh is None or not all(name in types for name in load.key):
            return None
        key = {name: types[name] for name in load.key}
        return Following(self._session, load.table, refresh, key, staging=staging, aside=aside)

    def _staging(self, use: str, load: StreamLoad) -> TableReference:
        """Return a table that only this lease stages in."""
        session = self._session
        return session.place.beside(f"{use}_{job_part(load.table)}_{session.turn.name}")

    @contextmanager
    def _aside(self, load: StreamLoad, folder: Path) -> Generator[TableReference | None]:
        """Stage rejected records and their keys, if there are any."""
        path = folder / "aside.json"
        if not write_aside(load.brought, path):
            yield None
            return
        with self._staged("aside", load, path, ASIDE_FIELDS) as table:
            yield table

    @contextmanager
    def _staged(
        self, use: str, load: StreamLoad, path: Path, fields: Sequence[SchemaField]
    ) -> Generator[TableReference]:
        """Load a file into a staging table that is there for the block."""
        session, table = self._session, self._staging(use, load)
        session.tables.make_staging(table, fields, utc_now())
        try:
            session.jobs.load(f"{use}_{job_part(load.table)}", path, table, fields)
            yield table
        finally:
            with suppress(Exception):  # it is gone after a day in any case
                session.tables.drop_staging(table)
