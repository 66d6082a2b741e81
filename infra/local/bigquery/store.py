"""Datasets and tables: what BigQuery's API tells of them, kept beside their rows in PostgreSQL."""

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.sql import SQL, Identifier, Literal

from infra.local.bigquery.errors import BigQueryError
from infra.local.bigquery.kinds import stored_type, told_type
from infra.local.bigquery.statements import physical

_SET_UP = r"""
SELECT pg_advisory_lock(1);
CREATE SCHEMA IF NOT EXISTS emulator;
CREATE TABLE IF NOT EXISTS emulator.datasets (name text PRIMARY KEY, resource jsonb NOT NULL);
CREATE TABLE IF NOT EXISTS emulator.tables (
    dataset text, name text, resource jsonb NOT NULL DEFAULT '{}', etag bigint NOT NULL DEFAULT 1,
    created timestamptz NOT NULL DEFAULT now(), modified timestamptz NOT NULL DEFAULT now(),
    mutations bigint NOT NULL DEFAULT 0, PRIMARY KEY (dataset, name)
);
CREATE OR REPLACE FUNCTION emulator.try_cast(value text, kind text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE cast_value text;
BEGIN
    EXECUTE format('SELECT CAST(CAST(%L AS %s) AS text)', value, kind) INTO cast_value;
    RETURN cast_value;
EXCEPTION WHEN data_exception THEN RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION emulator.try_hex(value text) RETURNS bytea
LANGUAGE plpgsql AS $$
BEGIN
    RETURN decode(value, 'hex');
EXCEPTION WHEN data_exception THEN RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION emulator.json_value(value text, VARIADIC path text[]) RETURNS text
LANGUAGE sql AS $$ SELECT CAST(value AS jsonb) #>> path $$;
SELECT pg_advisory_unlock(1)
"""
_FIELDS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), col_description(a.attrelid, a.attnum)
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
Resource = dict[str, Any]


class Store:
    """One project's datasets, in a database of PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[Connection] = []
        with self.cursor() as cursor:
            cursor.execute(_SET_UP)

    def connect(self) -> Connection:
        """Return a connection that commits each statement."""
        connection = psycopg2.connect(self._url)
        connection.set_session(autocommit=True)
        with connection.cursor() as cursor:
            cursor.execute("SET timezone = 'UTC'")
        return connection

    @contextmanager
    def connection(self) -> Generator[Connection]:
        """Lend a connection that commits each statement; it is kept for the next."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    @contextmanager
    def cursor(self) -> Generator[Cursor]:
        """Yield a cursor whose statements are committed one by one."""
        with self.connection() as connection, connection.cursor() as cursor:
            yield cursor

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def make_dataset(self, resource: Resource) -> Resource:
        """Make a dataset; raise `BigQueryError` if it is there."""
        name = resource["datasetReference"]["datasetId"]
        with self.cursor() as cursor:
            cursor.execute(
                "INSERT INTO emulator.datasets VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (name, json.dumps(resource)),
            )
            if not cursor.rowcount:
                raise BigQueryError("duplicate", f"Already Exists: Dataset {name}")
            cursor.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
        return resource

    def dataset(self, name: str) -> Resource:
        """Return a dataset; raise `BigQueryError` if there is none."""
        with self.cursor() as cursor:
            cursor.execute("SELECT resource FROM emulator.datasets WHERE name = %s", (name,))
            row = cursor.fetchone()
        if row is None:
            raise BigQueryError("notFound", f"Not found: Dataset {name}")
        return row[0]

    def drop_dataset(self, name: str) -> None:
        """Drop a dataset with its tables; raise `BigQueryError` if there is none."""
        with self.cursor() as cursor:
            cursor.execute("DELETE FROM emulator.datasets WHERE name = %s", (name,))
            if not cursor.rowcount:
                raise BigQueryError("notFound", f"Not found: Dataset {name}")
            cursor.execute("DELETE FROM emulator.tables WHERE dataset = %s", (name,))
            cursor.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(name)))

    def make_table(self, dataset: str, resource: Resource) -> Resource:
        """Make a table of its columns; raise `BigQueryError` if it is there, or the dataset not."""
        self.dataset(dataset)
        name = resource["tableReference"]["tableId"]
        with self.cursor() as cursor:
            cursor.execute(
                "INSERT INTO emulator.tables (dataset, name, resource) VALUES (%s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (dataset, name, json.dumps(resource)),
            )
            if not cursor.rowcount:
                raise BigQueryError("duplicate", f"Already Exists: Table {dataset}.{name}")
            fields = resource.get("schema", {}).get("fields", [])
            columns = [
                SQL("{} {}").format(Identifier(field["name"]), SQL(stored_type(field["type"])))
                for field in fields
            ]
            table = Identifier(dataset, physical(name))
            cursor.execute(SQL("CREATE TABLE {} ({})").format(table, SQL(", ").join(columns)))
            _describe(cursor, dataset, name, fields)
        return self.table(dataset, name)

    def table(self, dataset: str, name: str) -> Resource:
        """Return a table with its columns and figures; raise `BigQueryError` if there is none."""
        with self.cursor() as cursor:
            cursor.execute(
                "SELECT resource, etag, created, modified FROM emulator.tables"
                " WHERE dataset = %s AND name = %s",
                (dataset, name),
            )
            row = cursor.fetchone()
            if row is None:
                raise BigQueryError("notFound", f"Not found: Table {dataset}.{name}")
            resource, etag, created, modified = row
            table = Identifier(dataset, physical(name))
            cursor.execute(
                SQL("SELECT count(*), pg_table_size({}) FROM {}").format(
                    Literal(table.as_string(cursor)), table
                )
            )
            rows, size = cursor.fetchone() or (0, 0)
            fields = _fields(cursor, dataset, name)
        return {
            **resource,
            "kind": "bigquery#table",
            "type": "TABLE",
            "tableReference": resource.get("tableReference")
            or {"projectId": "local", "datasetId": dataset, "tableId": name},
            "schema": {"fields": fields},
            "etag": str(etag),
            "numRows": str(rows),
            "numBytes": str(size),
            "creationTime": str(int(created.timestamp() * 1_000)),
            "lastModifiedTime": str(int(modified.timestamp() * 1_000)),
        }

    def patch_table(
        self, dataset: str, name: str, changes: Mapping[str, Any], etag: str | None
    ) -> Resource:
        """Add columns and change descriptions, unless the table is not as `etag` says."""
        found = self.table(dataset, name)
        if etag is not None and etag != found["etag"]:
            raise BigQueryError("conditionNotMet", "Precondition check failed.")
        wanted = changes.get("schema", {}).get("fields")
        with self.cursor() as cursor:
            if wanted is not None:
                _add_columns(cursor, dataset, name, found["schema"]["fields"], wanted)
                _describe(cursor, dataset, name, wanted)
            cursor.execute(
                "UPDATE emulator.tables SET etag = etag + 1, modified = now()"
                " WHERE dataset = %s AND name = %s",
                (dataset, name),
            )
        return self.table(dataset, name)

    def tables(self, dataset: str) -> Sequence[str]:
        """Return the names of a dataset's tables; raise `BigQueryError` if there is no dataset."""
        self.dataset(dataset)
        with self.cursor() as cursor:
            cursor.execute(
                "SELECT name FROM emulator.tables WHERE dataset = %s ORDER BY name", (dataset,)
            )
            return [name for (name,) in cursor.fetchall()]

    def drop_table(self, dataset: str, name: str) -> None:
        """Drop a table; raise `BigQueryError` if there is none."""
        with self.cursor() as cursor:
            cursor.execute(
                "DELETE FROM emulator.tables WHERE dataset = %s AND name = %s", (dataset, name)
            )
            if not cursor.rowcount:
                raise BigQueryError("notFound", f"Not found: Table {dataset}.{name}")
            table = Identifier(dataset, physical(name))
            cursor.execute(SQL("DROP TABLE IF EXISTS {}").format(table))

    def note(self, made: Iterable[tuple[str, str]], changed: Iterable[tuple[str, str]]) -> None:
        """Take note of tables that statements made or changed."""
        with self.cursor() as cursor:
            for table in made:
                cursor.execute(
                    "INSERT INTO emulator.tables (dataset, name) VALUES (%s, %s)"
                    " ON CONFLICT DO NOTHING",
                    table,
                )
            for table in changed:
                cursor.execute(
                    "UPDATE emulator.tables SET modified = now() WHERE dataset = %s AND name = %s",
                    table,
                )


def _fields(cursor: Cursor, dataset: str, name: str) -> list[Resource]:
    table = Identifier(dataset, physical(name)).as_string(cursor)
    cursor.execute(_FIELDS, (table,))
    return [
        {
            "name": column,
            "type": told_type(stored),
            "mode": "NULLABLE",
            **({"description": description} if description else {}),
        }
        for column, stored, description in cursor.fetchall()
    ]


def _add_columns(
    cursor: Cursor,
    dataset: str,
    name: str,
    there: Sequence[Mapping[str, Any]],
    wanted: Sequence[Mapping[str, Any]],
) -> None:
    kinds = {field["name"]: stored_type(field["type"]) for field in there}
    if not kinds.keys() <= {field["name"] for field in wanted}:
        raise BigQueryError("invalid", "Provided Schema does not match: a field is missing")
    for field in wanted:
        kind = stored_type(field["type"])
        if kinds.get(field["name"], kind) != kind:
            raise BigQueryError("invalid", "Provided Schema does not match: a type has changed")
        if field["name"] not in kinds:
            cursor.execute(
                SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                    Identifier(dataset, physical(name)), Identifier(field["name"]), SQL(kind)
                )
            )


def _describe(cursor: Cursor, dataset: str, name: str, fields: Sequence[Mapping[str, Any]]) -> None:
    for field in fields:
        cursor.execute(
            SQL("COMMENT ON COLUMN {} IS {}").format(
                Identifier(dataset, physical(name), field["name"]),
                Literal(field.get("description")),
            )
        )
