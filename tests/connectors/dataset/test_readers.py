"""The role that reads a workspace's datasets may read what loads make, and only that."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege

from shared.connectors.base import SyncRequest
from shared.connectors.dataset.readers import make_reader
from shared.errors import PermanentError, TransientError
from tests.connectors.databases import DATASET, Postgres, Shop, hold_lease, orders

READER = "reader_of_the_shop"
TABLE = "CREATE TABLE orders (id int PRIMARY KEY, name text, changed int)"
ROWS = "INSERT INTO orders SELECT n, 'n' || n, n FROM generate_series(1, 3) n"


@pytest.fixture
def reader(dataset: Postgres) -> Iterator[str]:
    """Return a role that may read nothing yet."""
    make_reader(dataset.dsn, READER, "secret", [DATASET])
    yield READER
    dataset.execute(f"DROP OWNED BY {READER}", f"DROP ROLE {READER}")


def _shop(source: Postgres, dataset: Postgres) -> Shop:
    source.execute(TABLE, ROWS)
    return Shop(orders(source.url), dataset)


def _sync(shop: Shop, reader: str | None) -> None:
    request: SyncRequest = replace(shop.request(), reader=reader)
    shop.type.sync(request, hold_lease)


def _count(dataset: Postgres, table: str = "orders") -> Any:
    connection = psycopg2.connect(dataset.dsn, user=READER, password="secret")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {DATASET}.{table}")
            return cursor.fetchall()[0][0]
    finally:
        connection.close()


def test_a_load_lets_the_reader_read_the_tables_that_it_makes(
    source: Postgres, dataset: Postgres, reader: str
) -> None:
    _sync(_shop(source, dataset), reader)
    assert _count(dataset) == 3


def test_without_a_reader_a_load_makes_none(source: Postgres, dataset: Postgres) -> None:
    _sync(_shop(source, dataset), "reader_of_nobody")
    assert dataset.rows("SELECT FROM pg_roles WHERE rolname = 'reader_of_nobody'") == []


def test_a_load_for_another_workspace_is_not_the_readers(
    source: Postgres, dataset: Postgres, reader: str
) -> None:
    _sync(_shop(source, dataset), "reader_of_another")
    with pytest.raises(InsufficientPrivilege):
        _count(dataset)
    make_reader(dataset.dsn, reader, "secret", [DATASET, "dataset_not_there_yet"])
    assert _count(dataset) == 3


def test_a_deployment_that_may_make_no_roles_is_told_so(dataset: Postgres) -> None:
    dataset.execute("DROP ROLE IF EXISTS plain_loader", "CREATE ROLE plain_loader LOGIN")
    try:
        dsn = dataset.dsn.replace("postgres@", "plain_loader@")
        with pytest.raises(PermanentError, match="CREATEROLE"):
            make_reader(dsn, "reader_of_some", "secret", [])
    finally:
        dataset.execute("DROP ROLE plain_loader")


def test_a_database_that_is_away_is_transient_and_the_password_is_not_told() -> None:
    with pytest.raises(TransientError) as raised:
        make_reader("postgresql://u@127.0.0.1:1/d", READER, "secret", [])
    assert "secret" not in str(raised.value)
