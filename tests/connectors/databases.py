"""Small databases that connector tests read from and load into."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import pymysql

from shared.connectors.base import (
    ConfirmLease,
    HasTime,
    Position,
    SyncRequest,
    SyncResult,
    Watermark,
    always_has_time,
)
from shared.connectors.registry import connector_type
from shared.egress.files import FilesRoot
from tests.loopback import LOOPBACK

PASSWORD = "hunter2-canary"
DATASET = "dataset_shop"
_MOST_SLICES = 200


@dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL database; every call has a connection of its own."""

    dsn: str
    url: str

    def execute(self, *statements: str) -> None:
        connection = psycopg2.connect(self.dsn)
        try:
            with connection, connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchall()
        finally:
            connection.close()

    def has_table(self, name: str) -> bool:
        return self.rows(f"SELECT to_regclass('{name}') IS NOT NULL") == [(True,)]


@dataclass(frozen=True, slots=True)
class MariaDb:
    """A MariaDB database; every call has a connection of its own."""

    port: int
    database: str

    @property
    def url(self) -> str:
        return f"mariadb://reader@127.0.0.1:{self.port}/{self.database}"

    def execute(self, *statements: str) -> None:
        with self._connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def _connect(self) -> pymysql.Connection:
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="reader",
            password=PASSWORD,
            database=self.database,
            autocommit=True,
            ssl_disabled=True,  # its certificates take longer to read than a query
        )


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A SQLite file in a folder that the deployment allows; every call has its own connection."""

    root: Path
    name: str = "shop.db"

    @property
    def path(self) -> Path:
        return self.root / self.name

    @property
    def url(self) -> str:
        return f"sqlite:///{self.name}"

    @property
    def files(self) -> FilesRoot:
        return FilesRoot(self.root)

    def execute(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)


def hold_lease() -> None:
    """Confirm every lease."""


def never_has_time() -> bool:
    """Let a slice read one page."""
    return False


class Shop:
    """One connector over its life: it keeps watermarks and positions as the database does."""

    def __init__(
        self, config: Mapping[str, Any], dataset: Postgres, files: FilesRoot | None = None
    ) -> None:
        self.type = connector_type("database")
        self.config = self.type.config_model.model_validate(config)
        self.dataset = dataset
        self.files = files or FilesRoot()
        self.connector_id: UUID = uuid4()
        self.watermarks: dict[str, Watermark] = {}
        self.landed: set[str] = set()
        self.positions: dict[str, Position] = {}
        self._run_id = uuid4()

    def request(self, has_time: HasTime = always_has_time) -> SyncRequest:
        return SyncRequest(
            run_id=self._run_id,
            connector_id=self.connector_id,
            config=self.config,
            watermarks=dict(self.watermarks),
            dataset_url=self.dataset.dsn,
            dataset_name=DATASET,
            landed=frozenset(self.landed),
            positions=self.positions,
            has_time=has_time,
            guard=LOOPBACK,
            files=self.files,
        )

    def sync(
        self, confirm_lease: ConfirmLease = hold_lease, has_time: HasTime = always_has_time
    ) -> SyncResult:
        """Do the next slice, which is the first and last one while there is time."""
        if not self.positions:
            self._run_id = uuid4()  # slices of one run share it
        result = self.type.sync(self.request(has_time), confirm_lease)
        self.watermarks |= {watermark.stream: watermark for watermark in result.watermarks}
        self.landed |= {watermark.stream for watermark in result.watermarks}
        self.landed |= {name for name, table in result.finished.items() if table is not None}
        self.positions = json.loads(json.dumps(result.positions or {}))
        return result

    def sync_in_slices(self, *, has_time: HasTime = never_has_time) -> list[SyncResult]:
        """Do a run to its end, in slices of one page each if there is never time."""
        results = [self.sync(has_time=has_time)]
        while self.positions:
            assert len(results) < _MOST_SLICES, "the slices do not get on"
            results.append(self.sync(has_time=has_time))
        return results

    def loaded(self, columns: str, table: str = "orders") -> list[tuple[Any, ...]]:
        return self.dataset.rows(f"SELECT {columns} FROM {DATASET}.{table} ORDER BY 1, 2")


def counts(result: SyncResult) -> tuple[int, int, int]:
    """Return (processed, created, updated)."""
    return (result.records_processed, result.records_created, result.records_updated)


def orders(
    url: str, *, password: str | None = None, cursor: str | None = "changed", **stream: object
) -> dict[str, Any]:
    """Return the configuration of a connector that reads the table orders by its id."""
    defaults: dict[str, object] = {"table": "orders", "primary_key": ["id"], "cursor": cursor}
    streams: Sequence[Mapping[str, object]] = [defaults | stream]
    return {"url": url, "password": password, "streams": streams}


def tables(url: str, *names: str) -> dict[str, Any]:
    """Return the configuration of a connector that reads whole tables by their id."""
    streams = [{"table": name, "primary_key": ["id"]} for name in names]
    return {"url": url, "streams": streams}
