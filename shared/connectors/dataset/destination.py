"""The dataset in PostgreSQL: dlt loads the staging tables, one statement merges and counts.

A merge inserts rows whose primary key is new and updates rows of which a value differs. What is
read again without a change is left alone and counts as neither. No value is rounded on its way:
staging has the types of the source, and the dataset's columns are widened to hold them, or get
others beside them.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Any, cast

from dlt.common.data_types import DATA_TYPES
from dlt.common.data_writers.escape import escape_postgres_literal
from dlt.common.destination import PreparedTableSchema
from dlt.common.destination.client import FollowupJobRequest, LoadJob
from dlt.common.schema import Schema, TColumnSchema, TSchemaTables
from dlt.common.schema.typing import TTableSchema, TTableSchemaColumns
from dlt.common.schema.utils import get_columns_names_with_prop, get_dedup_sort_tuple
from dlt.common.typing import VARIANT_FIELD_FORMAT
from dlt.destinations.impl.postgres.configuration import (
    PostgresClientConfiguration,
    PostgresCredentials,
)
from dlt.destinations.impl.postgres.factory import PostgresTypeMapper, postgres
from dlt.destinations.impl.postgres.postgres import PostgresClient
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
from dlt.destinations.job_client_impl import SqlLoadJob
from dlt.destinations.sql_client import SqlClientBase
from dlt.destinations.sql_jobs import SqlFollowupJob
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)
from psycopg2.extensions import parse_dsn

from shared.connectors.base import ConfirmLease
from shared.connectors.dataset.brought import Brought, Place, write_brought
from shared.connectors.dataset.columns import fit_columns, missing_tables, tables_gone
from shared.connectors.dataset.landing import ColumnChange, LoadTable
from shared.connectors.dataset.merge import index_statement, merge_statement
from shared.connectors.dataset.readers import grant_schema
from shared.crash_points import CrashPoint, reach
from shared.egress.lines import STATEMENT
from shared.logs import log_event

_log = logging.getLogger(__name__)

COLUMN_TYPE = "x-syncline-type"
"""Hint on a column: the PostgreSQL type it gets, where dlt's own choice would lose something."""

_LOCK_SECONDS = 60
_IDLE_SECONDS = 60
"""How long a transaction of ours may stand still, as it does while the lease is confirmed."""
_STATEMENT_BYTES = 2 * 1024 * 1024
"""How much of a file becomes one INSERT, twice over; several copies of it are in memory."""
_MOST_CHANGES = 100
"""How many changes of columns a load tells; each is in the log as well."""


@dataclass(slots=True)
class LoadTally:
    """What the merges of one load did; each merge adds to it after its commit.

    `changes` are those of columns of the dataset, ready for JSON: `table`, `column` of the source,
    the type it `was` (None if it is new) and `becomes`, and the column it `lands_in`.
    """

    created: int = 0
    updated: int = 0
    deleted: int = 0
    changes: list[Mapping[str, str | None]] = field(default_factory=list[Mapping[str, str | None]])
    changes_left_out: int = 0

    def add(self, other: "LoadTally") -> None:
        """Add what another tally has, as far as there is room for its changes."""
        self.created += other.created
        self.updated += other.updated
        self.deleted += other.deleted
        room = _MOST_CHANGES - len(self.changes)
        self.changes += other.changes[:room]
        self.changes_left_out += other.changes_left_out + len(other.changes[room:])

    @property
    def metadata(self) -> Mapping[str, object]:
        """Return what a run's metadata say of the changes, ready for JSON; nothing if none."""
        if not self.changes:
            return {}
        left_out = {"schema_changes_left_out": self.changes_left_out}
        return {"schema_changes": self.changes} | (left_out if self.changes_left_out else {})


class Dataset(postgres):
    """dlt's PostgreSQL destination, with our merge. One instance serves one load.

    All of a load runs on `connection`, which holds the turn: there is no writing without it. The
    streams of `continued` bring only what came after earlier slices or runs. What is `brought`
    beside rows is written with their merge. The role `reader`, if there is one, may read it all.
    """

    def __init__(
        self,
        url: str,
        confirm_lease: ConfirmLease,
        continued: Collection[str] = (),
        *,
        reader: str | None = None,
    ) -> None:
        super().__init__(
            credentials=_credentials(url),
            create_indexes=False,  # the merge keeps the one that matters
            destination_name="dataset",
            type_mapper=_TypeMapper,
            escape_literal=_literal,
            max_query_length=_STATEMENT_BYTES,
        )
        self.connection: Connection | None = None
        self.confirm_lease = confirm_lease
        self.continued = continued
        self.reader = reader
        self.brought: Brought | None = None
        self.tally = LoadTally()

    @property
    def client_class(self) -> type["_Client"]:
        """Return the class of the job clients."""
        return _Client

    def client(
        self, schema: Schema, initial_config: PostgresClientConfiguration | None = None
    ) -> "_Client":
        """Return a job client that knows this load."""
        client = super().client(schema, initial_config)  # pyright: ignore[reportArgumentType] (None is its default)
        assert isinstance(client, _Client)  # noqa: S101 (dlt knows it by its base class)
        client.dataset = self
        client.sql_client = _SqlClient(client.sql_client, self)
        return client


def set_session(connection: Connection, search_path: str) -> None:
    """Bound what a load's statements and transactions may take, and say where names are found."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('search_path', %s, false),"
            " set_config('statement_timeout', %s, false),"
            " set_config('lock_timeout', %s, false),"
            " set_config('idle_in_transaction_session_timeout', %s, false)",
            (
                search_path,
                f"{STATEMENT.total_seconds():.0f}s",
                f"{_LOCK_SECONDS}s",
                f"{_IDLE_SECONDS}s",
            ),
        )


class _TypeMapper(PostgresTypeMapper):
    """dlt's types, but exact where its default would round."""

    def to_destination_type(self, column: TColumnSchema, table: PreparedTableSchema) -> str:
        wanted: str | None = column.get(COLUMN_TYPE)  # pyright: ignore[reportAssignmentType] (a hint of ours)
        if wanted is not None:
            return wanted
        return super().to_destination_type(column, table)


class _SqlClient(Psycopg2SqlClient):
    """dlt's SQL client on the connection of the load, which it never opens or closes."""

    def __init__(self, original: Psycopg2SqlClient, dataset: Dataset) -> None:
        super().__init__(
            original.dataset_name,
            original.staging_dataset_name,
            original.credentials,
            original.capabilities,
        )
        self._dataset = dataset
        self._home = original.dataset_name

    def target_and_staging(self, table: str) -> tuple[str, str]:
        """Return the qualified names of both tables, also while dlt works in staging."""
        with self.with_alternative_dataset_name(self._home):
            return self.get_qualified_table_names(table)

    def place_of(self, table: LoadTable) -> Place:
        """Return where a table of the load lands."""
        return Place(self._home, self.staging_dataset_name, table.name, table.key)

    def open_connection(self) -> Connection:
        if self._dataset.connection is None:
            raise RuntimeError("a load has no connection before its turn")
        self._conn = self._dataset.connection
        set_session(self._conn, self.fully_qualified_dataset_name())
        return self._conn

    def close_connection(self) -> None:
        self._conn = None

    def _reset_connection(self) -> None:
        self._conn.rollback()
        self._conn.autocommit = True


class _Client(PostgresClient):
    """dlt's job client, which merges by our job, from staging tables that live for one load."""

    dataset: Dataset

    def update_stored_schema(
        self,
        only_tables: Iterable[str] | None = None,
        expected_update: TSchemaTables | None = None,
        force: bool = False,  # noqa: ARG002 (dlt's signature)
    ) -> TSchemaTables | None:
        """Make the tables that are missing; in staging, make every table anew.

        dlt looks at names alone: a staging table of an earlier load would keep the types that its
        source had then, and round what is staged now. And it believes what it has written down of
        tables that somebody may have dropped since. Columns are the affair of the merge.

        Raises `PermanentError` if a table is gone of which the streams bring only a part.
        """
        names = self.schema.data_table_names()
        if self.in_staging_dataset_mode:
            return self._make_tables(names, drop=True)
        missing = self._missing_tables(names if only_tables is None else only_tables)
        own = self.schema.dlt_table_names()
        super().update_stored_schema(own, expected_update, force=True)  # pyright: ignore[reportArgumentType] (None is its default)
        made = self._make_tables([name for name in names if name in missing])
        if made and self.dataset.reader is not None:
            with self.sql_client.native_connection.cursor() as cursor:
                grant_schema(cursor, self.dataset.reader, self.sql_client.dataset_name)
        return made

    def _missing_tables(self, loaded: Iterable[str]) -> Collection[str]:
        continued = set(map(self.schema.naming.normalize_table_identifier, self.dataset.continued))
        qualified = {
            name: self.sql_client.make_qualified_table_name(name) for name in {*loaded, *continued}
        }
        missing = missing_tables(self.sql_client.native_connection, qualified)
        gone = sorted(continued & missing)
        if gone:
            raise tables_gone(gone)
        return missing

    def _make_tables(self, names: Sequence[str], *, drop: bool = False) -> TSchemaTables:
        statements, made = self._build_schema_update_sql([(name, {}) for name in names])
        with self.maybe_ddl_transaction():
            if drop:
                self.sql_client.drop_tables(*names)
            self.sql_client.execute_many(statements)
        return made

    def _create_merge_followup_jobs(
        self, table_chain: Sequence[PreparedTableSchema]
    ) -> list[FollowupJobRequest]:
        return [_MergeRequest.from_table_chain(table_chain, self.sql_client)]

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        if SqlLoadJob.is_sql_job(file_path):
            return _MergeJob(file_path, self.dataset)
        return super().create_load_job(table, file_path, load_id, restore)


class _MergeRequest(SqlFollowupJob):
    """The merge of one table, of which nothing can be written down before it begins."""

    @classmethod
    def generate_sql(
        cls,
        table_chain: Sequence[PreparedTableSchema],  # noqa: ARG003 (dlt's signature)
        sql_client: SqlClientBase[Any],  # noqa: ARG003 (dlt's signature)
    ) -> list[str]:
        return []


class _MergeJob(SqlLoadJob):
    """Fit and merge one table in one transaction that commits only while the lease is held."""

    def __init__(self, file_path: str, dataset: Dataset) -> None:
        super().__init__(file_path)
        self._dataset = dataset

    def run(self) -> None:
        sql_client: _SqlClient = self._job_client.sql_client  # pyright: ignore[reportAssignmentType]
        reach(CrashPoint.STAGED)
        table = self._table(sql_client)
        with sql_client.begin_transaction():
            landing = fit_columns(sql_client.native_connection, table)
            sql_client.execute_sql(index_statement(table))
            rows = sql_client.execute_sql(merge_statement(table, landing)) or ((0, 0),)
            deleted = self._write_brought(sql_client, table)
            # Who gets the lease after this loads after the commit: it takes the turn, which is this
            # connection's, and the transaction ends before the turn does.
            self._dataset.confirm_lease()
        reach(CrashPoint.MERGED)
        told = [_told(table, change) for change in landing.changes]
        self._dataset.tally.add(LoadTally(rows[0][0], rows[0][1], deleted, told))
        for change in landing.changes:
            _log_change(table, change)

    def _write_brought(self, sql_client: "_SqlClient", table: LoadTable) -> int:
        brought = self._dataset.brought
        if brought is None:
            return 0
        with sql_client.native_connection.cursor() as cursor:
            return write_brought(cursor, sql_client.place_of(table), brought)

    def _table(self, sql_client: "_SqlClient") -> LoadTable:
        table = cast("TTableSchema", self._load_table)
        target, staging = sql_client.target_and_staging(self.load_table_name)
        newest = get_dedup_sort_tuple(table)
        return LoadTable(
            name=self.load_table_name,
            key=get_columns_names_with_prop(table, "primary_key"),
            target=target,
            staging=staging,
            newest_by=None if newest is None else newest[0],
            variants=_variants(table.get("columns", {}), self._schema),
            carried=self._dataset.brought.carried if self._dataset.brought else frozenset(),
        )


def _variants(columns: TTableSchemaColumns, schema: Schema) -> Mapping[str, str]:
    """Return the columns that dlt made for values of another type, with the column of each."""
    variants = {name for name, column in columns.items() if column.get("variant")}
    names = {
        schema.naming.shorten_fragments(source, VARIANT_FIELD_FORMAT % kind): source
        for source in columns
        for kind in (DATA_TYPES if variants else ())
    }
    return {name: names[name] for name in variants if name in names}


def _told(table: LoadTable, change: ColumnChange) -> Mapping[str, str | None]:
    return {
        "table": table.name,
        "column": change.column,
        "was": change.was,
        "becomes": change.becomes,
        "lands_in": change.lands_in,
    }


def _log_change(table: LoadTable, change: ColumnChange) -> None:
    log_event(
        _log,
        logging.INFO if change.was is None else logging.WARNING,
        "dataset_column_changed",
        "A column of the dataset was made or changed to hold what its source brings",
        **{**_told(table, change), "table": table.target},
    )


def _credentials(url: str) -> PostgresCredentials:
    """Return what dlt wants to know of the URL; connections are opened with the URL itself."""
    parts = parse_dsn(url)
    return PostgresCredentials(
        {
            "host": parts.get("host") or "localhost",
            "database": parts.get("dbname") or "postgres",
            "username": parts.get("user") or "",
            "password": "",
        }
    )


def _literal(value: Any) -> Any:
    kind = type(value)
    if (kind is float or kind is Decimal) and not isfinite(value):
        return f"'{value}'"
    return escape_postgres_literal(value)
