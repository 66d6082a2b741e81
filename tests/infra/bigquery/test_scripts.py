"""The local BigQuery keeps transactions apart as the real one does, and refuses what it does."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import psycopg2
import pytest

from infra.local.bigquery.errors import BigQueryError
from infra.local.bigquery.scripts import Result, Script
from infra.local.bigquery.store import Store
from infra.local.postgres import PostgresServer

Run = Callable[..., Result]


@pytest.fixture
def store(postgres_server: PostgresServer) -> Iterator[Store]:
    name = f"bigquery_{uuid4().hex}"
    postgres_server.create_database(name)
    store = Store(postgres_server.libpq_url(name))
    store.make_dataset({"datasetReference": {"datasetId": "d"}})
    fields = [{"name": "id", "type": "INT64"}, {"name": "note", "type": "STRING"}]
    table = {"tableReference": {"tableId": "t"}, "schema": {"fields": fields}}
    store.make_table("d", table)
    yield store
    store.close()
    postgres_server.drop_database(name)


@pytest.fixture
def run(store: Store) -> Run:
    def run_script(text: str, **parameters: Any) -> Result:
        with closing(store.connect()) as connection:
            return Script(store, connection, text, parameters).run()

    return run_script


def test_variables_conditions_and_counts_work_as_in_a_script(run: Run) -> None:
    result = run(
        "DECLARE before, changed INT64 DEFAULT 0;"
        "INSERT INTO `p.d.t` (id, note) VALUES (1, 'a'), (2, 'b');"
        "SET before = @@row_count;"
        "UPDATE `p.d.t` SET note = @note WHERE id = 2;"
        "IF @@row_count = 1 THEN SET changed = 10; SET before = before + 1; END IF;"
        "IF changed = 0 THEN RAISE USING MESSAGE = 'never'; END IF;"
        "SELECT before, changed, note FROM `p.d.t` WHERE id = 2;",
        note="it's",
    )
    assert result.rows == [(3, 10, "it's")]


def test_an_error_within_a_transaction_rolls_it_back(run: Run) -> None:
    with pytest.raises(BigQueryError, match="no more"):
        run(
            "BEGIN TRANSACTION; INSERT INTO `p.d.t` (id) VALUES (1);"
            "RAISE USING MESSAGE = 'no more'; COMMIT TRANSACTION;"
        )
    assert run("SELECT COUNT(*) FROM `p.d.t`").rows == [(0,)]


def test_of_two_transactions_that_change_a_table_one_is_cancelled(run: Run, store: Store) -> None:
    run("INSERT INTO `p.d.t` (id) VALUES (1)")
    with closing(psycopg2.connect(store._url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('d.t', 0))")
        with pytest.raises(BigQueryError, match="aborted due to concurrent update"):
            run("BEGIN TRANSACTION; UPDATE `p.d.t` SET id = 2 WHERE id = 1; COMMIT TRANSACTION;")


def test_a_transaction_whose_table_changed_since_it_began_is_cancelled(
    run: Run, store: Store
) -> None:
    run("INSERT INTO `p.d.t` (id) VALUES (1)")
    with closing(store.connect()) as connection:
        slow = Script(store, connection, "", {})
        connection.set_session(isolation_level="REPEATABLE READ", autocommit=False)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")  # its snapshot is that of its first statement
            run("UPDATE `p.d.t` SET note = 'other' WHERE id = 1")
            with pytest.raises(psycopg2.errors.SerializationFailure):
                slow._lock(cursor, ("d", "t"), waits=False)


def test_a_statement_of_its_own_waits_for_a_transaction(run: Run, store: Store) -> None:
    run("INSERT INTO `p.d.t` (id) VALUES (1)")
    with closing(psycopg2.connect(store._url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('d.t', 0))")
        waiting = threading.Thread(target=run, args=("UPDATE `p.d.t` SET id = 2 WHERE id = 1",))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        other.rollback()
        waiting.join(10)
    assert run("SELECT id FROM `p.d.t`").rows == [(2,)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM `p.d.t`",
        "UPDATE `p.d.t` SET id = 1",
        "SELEC 1",
        "BEGIN TRANSACTION; CREATE TABLE `p.d.u` AS SELECT 1 AS n; COMMIT TRANSACTION",
    ],
)
def test_what_bigquery_refuses_is_refused(run: Run, statement: str) -> None:
    with pytest.raises(BigQueryError) as refused:
        run(statement)
    assert refused.value.reason == "invalidQuery"


def test_a_table_that_is_not_there_is_not_found(run: Run) -> None:
    with pytest.raises(BigQueryError) as refused:
        run("SELECT 1 FROM `p.d.nowhere`")
    assert refused.value.reason == "notFound"
