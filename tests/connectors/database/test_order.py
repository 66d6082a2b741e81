"""What is read in order is found by an index, so that the first row comes at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pymysql
import pytest
from sqlalchemy import Engine, event

from tests.connectors.database.readings import Reader, reader
from tests.connectors.databases import PASSWORD, MariaDb, Postgres, never_has_time

COLUMNS = "id int, name varchar(100), changed int NULL, PRIMARY KEY (id)"
INDEX = "CREATE INDEX by_changed ON orders (changed)"


@contextmanager
def _queries() -> Iterator[list[tuple[str, Any]]]:
    """Collect what is read of the table orders, with its parameters."""
    queries: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if "FROM orders" in statement:
            queries.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield queries
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def _postgres_plans(source: Postgres, table: Reader) -> list[str]:
    with _queries() as queries:
        table.read(never_has_time)
    connection = psycopg2.connect(source.dsn)
    plans: list[str] = []
    try:
        for statement, parameters in queries:
            with connection.cursor() as cursor:
                # A server-side cursor, as the sync uses: the planner prefers what begins at once.
                cursor.execute(f"EXPLAIN DECLARE c CURSOR FOR {statement}", parameters)
                plans.append("\n".join(line for (line,) in cursor.fetchall()))
    finally:
        connection.close()
    return plans


@pytest.fixture
def orders_of_postgres(source: Postgres) -> Postgres:
    source.execute(
        f"CREATE TABLE orders ({COLUMNS})",
        "INSERT INTO orders SELECT n, repeat('x', 100), nullif(n / 3, 7)"
        " FROM generate_series(1, 30000) n",
        INDEX,
        "ANALYZE orders",
    )
    return source


def test_postgresql_reads_by_the_index_of_the_cursor_and_sorts_no_more_than_one_value(
    orders_of_postgres: Postgres,
) -> None:
    table = reader(orders_of_postgres.url)
    for _slice in ("from the start", "behind a row", "behind another row"):
        for plan in _postgres_plans(orders_of_postgres, table):
            assert "using by_changed" in plan
            assert "Seq Scan" not in plan


def test_postgresql_goes_on_in_the_index_of_the_key_without_sorting(
    orders_of_postgres: Postgres,
) -> None:
    table = reader(orders_of_postgres.url, cursor=None)
    for _slice in ("from the start", "behind a row"):
        (plan,) = _postgres_plans(orders_of_postgres, table)
        assert "using orders_pkey" in plan
        assert "Sort" not in plan
    assert "Index Cond: (id > 5000)" in plan


def test_postgresql_finds_a_row_in_an_index_of_cursor_and_key(orders_of_postgres: Postgres) -> None:
    orders_of_postgres.execute("CREATE INDEX by_both ON orders (changed, id)", "ANALYZE orders")
    table = reader(orders_of_postgres.url)
    table.read(never_has_time)
    table.read(never_has_time)
    plan, siblings = _postgres_plans(orders_of_postgres, table)
    assert "using by_both" in siblings
    assert "Index Cond: ((changed >= 1667) AND (ROW(changed, id) > ROW(1667, 5003)))" in plan
    assert "Sort" not in plan


def test_mariadb_finds_what_is_new_by_the_index_of_the_cursor_without_sorting(
    mariadb: MariaDb,
) -> None:
    mariadb.execute(
        f"CREATE TABLE orders ({COLUMNS})",
        "INSERT INTO orders SELECT seq, repeat('x', 100), nullif(seq DIV 3, 7) FROM seq_1_to_30000",
        INDEX,
        "ANALYZE TABLE orders",
    )
    table = reader(mariadb.url, password=PASSWORD)
    table.read(lambda: True)
    with _queries() as queries:
        table.read(never_has_time)
    for statement, parameters in queries:
        plan = _mariadb_plan(mariadb, statement, parameters)
        assert (plan["key"], "filesort" in plan["Extra"]) == ("by_changed", False)
    assert len(queries) == 2


def _mariadb_plan(source: MariaDb, statement: str, parameters: Any) -> dict[str, Any]:
    connection = pymysql.connect(
        host="127.0.0.1",
        port=source.port,
        user="reader",
        password=PASSWORD,
        database=source.database,
        ssl_disabled=True,
        cursorclass=pymysql.cursors.DictCursor,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}", parameters)
        (plan,) = cursor.fetchall()
        return plan
