"""The role that reads a workspace's datasets may read what loads make, and only that."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)

from shared.connectors.base import SyncRequest
from shared.connectors.dataset.readers import (
    grant_schema,
    let_in,
    let_read,
    make_reader,
    revoke_reader,
)
from shared.errors import PermanentError, TransientError
from tests.connectors.databases import DATASET, Postgres, Shop, hold_lease, orders
from tests.connectors.gates import wait_until

READER = "reader_of_the_shop"
NAME = "connector_dataset"
TABLE = "CREATE TABLE orders (id int PRIMARY KEY, name text, changed int)"
ROWS = "INSERT INTO orders SELECT n, 'n' || n, n FROM generate_series(1, 3) n"


def _make_login(dsn: str) -> None:
    make_reader(dsn, READER)
    let_in(dsn, READER, "secret")


@pytest.fixture
def reader(dataset: Postgres) -> Iterator[str]:
    """Return a role that may read nothing yet."""
    _make_login(dataset.dsn)
    yield READER
    revoke_reader(dataset.dsn, READER)


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
    let_read(dataset.dsn, reader, [DATASET, "dataset_not_there_yet"])
    assert _count(dataset) == 3


def test_a_deployment_that_may_make_no_roles_is_told_so(dataset: Postgres) -> None:
    dataset.execute(
        "DROP ROLE IF EXISTS plain_loader",
        "CREATE ROLE plain_loader LOGIN",
        f"GRANT CREATE ON DATABASE {NAME} TO plain_loader",
    )
    try:
        dsn = dataset.dsn.replace("postgres@", "plain_loader@")
        with pytest.raises(PermanentError, match="CREATEROLE"):
            make_reader(dsn, "reader_of_some")
        assert dataset.rows("SELECT FROM pg_roles WHERE rolname = 'reader_of_some'") == []
    finally:
        dataset.execute("DROP OWNED BY plain_loader", "DROP ROLE plain_loader")


def test_a_database_that_is_away_is_transient_and_the_password_is_not_told() -> None:
    with pytest.raises(TransientError) as raised:
        let_in("postgresql://u@127.0.0.1:1/d", READER, "secret")
    assert "secret" not in str(raised.value)


def _login(dataset: Postgres) -> Connection:
    connection = psycopg2.connect(dataset.dsn, user=READER, password="secret")
    connection.autocommit = True
    return connection


def test_a_schema_that_is_made_while_the_login_is_made_is_its_own_too(dataset: Postgres) -> None:
    """Of two acts that overlap, each in the order that used to miss the other."""
    making = psycopg2.connect(dataset.dsn)
    try:
        _have_turns(dataset)
        with making, making.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {DATASET}")
            cursor.execute(f"CREATE TABLE {DATASET}.orders (id int)")
            grant_schema(cursor, READER, DATASET)  # there is no such role yet
            with ThreadPoolExecutor(1) as pool:
                made = pool.submit(_make_and_let_read, dataset)
                wait_until(lambda: _waits(dataset))
                making.commit()
                made.result(timeout=60)
        assert _count(dataset) == 0
    finally:
        making.close()
        revoke_reader(dataset.dsn, READER)


def _have_turns(dataset: Postgres) -> None:
    _make_login(dataset.dsn)
    revoke_reader(dataset.dsn, READER)


def _make_and_let_read(dataset: Postgres) -> None:
    make_reader(dataset.dsn, READER)
    let_read(dataset.dsn, READER, [DATASET])
    let_in(dataset.dsn, READER, "secret")


def _waits(dataset: Postgres) -> bool:
    return bool(dataset.rows("SELECT FROM pg_locks WHERE NOT granted"))


def test_a_login_that_is_revoked_is_cut_off_and_gone(
    source: Postgres, dataset: Postgres, reader: str
) -> None:
    _sync(_shop(source, dataset), reader)
    with closing(_login(dataset)) as connected:
        revoke_reader(dataset.dsn, reader)
        with connected.cursor() as cursor, pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT 1")
    with pytest.raises(psycopg2.OperationalError):
        _login(dataset)
    assert dataset.rows(f"SELECT FROM pg_roles WHERE rolname = '{reader}'") == []
    revoke_reader(dataset.dsn, reader)  # again: there is nothing left to do
    _make_login(dataset.dsn)
    with pytest.raises(InsufficientPrivilege):
        _count(dataset)


def test_a_login_with_rights_elsewhere_on_the_server_stays_without_being_able_to_log_in(
    dataset: Postgres, source: Postgres, reader: str
) -> None:
    source.execute("CREATE TABLE elsewhere (id int)", f"GRANT SELECT ON elsewhere TO {reader}")
    revoke_reader(dataset.dsn, reader)
    assert dataset.rows(f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{reader}'") == [
        (False,)
    ]
    source.execute("DROP TABLE elsewhere")


def test_a_login_makes_no_temporary_tables_and_has_few_connections(
    dataset: Postgres, reader: str
) -> None:
    with closing(_login(dataset)) as connection, connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        with pytest.raises(InsufficientPrivilege):
            cursor.execute("CREATE TEMPORARY TABLE hoard (id int)")
    assert dataset.rows(f"SELECT rolconnlimit FROM pg_roles WHERE rolname = '{reader}'") == [(20,)]


def test_a_database_of_somebody_else_keeps_the_rights_of_its_logins(dataset: Postgres) -> None:
    dataset.execute(
        "DROP ROLE IF EXISTS guest",
        "CREATE ROLE guest LOGIN CREATEROLE",
        f"GRANT CREATE ON DATABASE {NAME} TO guest",
        f"GRANT TEMPORARY ON DATABASE {NAME} TO PUBLIC",
    )
    try:
        _make_login(dataset.dsn.replace("postgres@", "guest@"))
        with closing(_login(dataset)) as connection, connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute("CREATE TEMPORARY TABLE hoard (id int)")
        revoke_reader(dataset.dsn.replace("postgres@", "guest@"), READER)
        assert dataset.rows(f"SELECT FROM pg_roles WHERE rolname = '{READER}'") == []
    finally:
        dataset.execute("DROP OWNED BY guest", "DROP ROLE guest")
