"""Errors of database drivers are told by their SQLSTATE, number or, without one, their text."""

import sqlite3
from collections.abc import Iterator
from types import ModuleType

import psycopg2
import pymysql
import pytest

from shared.connectors import dlt_failures, driver_kinds, failure_kinds
from shared.connectors.failure_kinds import Kind
from shared.connectors.failures import dataset_failure, source_failure
from shared.errors import PermanentError, SynclineError, TransientError
from tests.connectors.databases import PASSWORD, MariaDb, Postgres


def _raised_by_postgres(database: Postgres, state: str) -> psycopg2.Error:
    with pytest.raises(psycopg2.Error) as raised:
        database.execute(
            f"DO $$ BEGIN RAISE EXCEPTION '{PASSWORD} SSL' USING ERRCODE = '{state}'; END $$"
        )
    return raised.value


@pytest.mark.parametrize(
    ("state", "kind", "code"),
    [
        ("28P01", PermanentError, "authorization"),
        ("28000", PermanentError, "authorization"),
        ("42501", PermanentError, "authorization"),
        ("3D000", PermanentError, "configuration"),
        ("42P01", PermanentError, "configuration"),
        ("42703", PermanentError, "configuration"),
        ("22003", PermanentError, "configuration"),
        ("21000", PermanentError, "configuration"),
        ("57P04", PermanentError, "configuration"),
        ("42804", PermanentError, "configuration"),
        ("0A000", PermanentError, "configuration"),
        ("25006", PermanentError, "configuration"),
        ("54001", PermanentError, "configuration"),
        ("P0001", PermanentError, "configuration"),
        ("53300", TransientError, "source_unavailable"),
        ("57P01", TransientError, "source_unavailable"),
        ("57P03", TransientError, "source_unavailable"),
        ("57014", TransientError, "source_unavailable"),
        ("40P01", TransientError, "source_unavailable"),
        ("40001", TransientError, "source_unavailable"),
        ("08006", TransientError, "source_unavailable"),
        ("XX000", TransientError, "source_unavailable"),
    ],
)
def test_the_sqlstate_of_a_source_decides_and_not_its_text(
    source: Postgres, state: str, kind: type[SynclineError], code: str
) -> None:
    failure = source_failure(_raised_by_postgres(source, state))
    assert (type(failure), failure.code) == (kind, code)
    assert state in str(failure)
    assert PASSWORD not in str(failure)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT 1 / (n - 1) FROM generate_series(1, 2) n", "could not compute one of the values"),
        ("SELECT 'never'::date", "could not compute one of the values"),
        ("SELECT (SELECT n FROM generate_series(1, 2) n)", "could not compute one of the values"),
        ("SELECT nosuch()", "refused the query"),
        ("SELECT * FROM nosuch", "has no such table or view"),
    ],
)
def test_a_query_that_a_source_cannot_answer_is_told_as_the_sources(
    source: Postgres, query: str, words: str
) -> None:
    with pytest.raises(psycopg2.Error) as raised:
        source.rows(query)
    failure = source_failure(raised.value)
    assert (type(failure), failure.code) == (PermanentError, "configuration")
    assert str(failure).startswith(f"The source database {words}")


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ('FATAL:  password authentication failed for user "u"', PermanentError, "authorization"),
        ('FATAL:  role "u" does not exist', PermanentError, "authorization"),
        ('FATAL:  database "d" does not exist', PermanentError, "configuration"),
        ("server does not support SSL, but SSL was required", PermanentError, "configuration"),
        ("SSL error: certificate verify failed", PermanentError, "configuration"),
        ("no pg_hba.conf entry for host, no encryption", PermanentError, "configuration"),
        ("FATAL:  no pg_hba.conf entry for host, SSL on", PermanentError, "authorization"),
        ("SSL SYSCALL error: EOF detected", TransientError, "source_unavailable"),
        ("SSL connection has been closed unexpectedly", TransientError, "source_unavailable"),
        ("FATAL:  sorry, too many clients already", TransientError, "source_unavailable"),
        ("FATAL:  the database system is starting up", TransientError, "source_unavailable"),
        ('could not translate host name "h" to address', TransientError, "source_unavailable"),
        ("connection failed: Connection refused", TransientError, "source_unavailable"),
        ("timeout expired", TransientError, "source_unavailable"),
        ("etwas anderes", TransientError, "source_unavailable"),
    ],
)
def test_a_connection_that_did_not_come_to_be_is_told_by_its_text(
    text: str, kind: type[SynclineError], code: str
) -> None:
    failure = source_failure(psycopg2.OperationalError(f"{text} {PASSWORD}"))
    assert (type(failure), failure.code) == (kind, code)
    assert PASSWORD not in str(failure)


def test_only_the_start_of_a_text_is_looked_at_so_that_a_long_one_costs_nothing() -> None:
    failure = source_failure(psycopg2.OperationalError(f"{'x' * 1_000} timeout expired"))
    assert "did not answer in time" not in str(failure)


def test_a_sqlstate_that_is_none_is_not_quoted() -> None:
    error = psycopg2.OperationalError(PASSWORD)
    error.__setstate__({"pgcode": f"<b>{PASSWORD}"})
    failure = source_failure(error)
    assert str(failure).endswith("(OperationalError).")


def test_a_query_that_the_driver_itself_refuses_is_not_tried_again(source: Postgres) -> None:
    with pytest.raises(psycopg2.ProgrammingError) as raised:
        psycopg2.connect(f"nosuchoption={PASSWORD}")
    failure = source_failure(raised.value)
    assert (type(failure), failure.code) == (PermanentError, "configuration")
    assert PASSWORD not in str(failure)


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (1045, PermanentError, "authorization"),
        (1130, PermanentError, "authorization"),
        (1142, PermanentError, "authorization"),
        (1820, PermanentError, "authorization"),
        (1862, PermanentError, "authorization"),
        (3118, PermanentError, "authorization"),
        (4151, PermanentError, "authorization"),
        (1049, PermanentError, "configuration"),
        (1146, PermanentError, "configuration"),
        (1054, PermanentError, "configuration"),
        (3159, PermanentError, "configuration"),
        (1040, TransientError, "source_unavailable"),
        (1213, TransientError, "source_unavailable"),
        (2003, TransientError, "source_unavailable"),
        (2013, TransientError, "source_unavailable"),
        (9999, TransientError, "source_unavailable"),
    ],
)
def test_the_number_of_a_mysql_error_decides(
    number: int, kind: type[SynclineError], code: str
) -> None:
    failure = source_failure(pymysql.err.OperationalError(number, PASSWORD))
    assert (type(failure), failure.code) == (kind, code)
    assert str(number) in str(failure)
    assert PASSWORD not in str(failure)


@pytest.fixture
def shop(mariadb: MariaDb) -> MariaDb:
    mariadb.execute(
        "CREATE TABLE orders (id int unsigned PRIMARY KEY, size int, old int)",
        "INSERT INTO orders VALUES (1, 1, 1), (2, 2, 2)",
        "CREATE VIEW stale AS SELECT id, old FROM orders",
        "ALTER TABLE orders DROP old",
        "CREATE DEFINER = 'nobody'@'localhost' VIEW orphaned AS SELECT id FROM orders",
        "CREATE VIEW negative AS SELECT id - 5 FROM orders",
        "CREATE VIEW several AS SELECT (SELECT id FROM orders)",
        "CREATE FUNCTION refuse() RETURNS int BEGIN"
        f" SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{PASSWORD}'; RETURN 1; END",
    )
    return mariadb


@pytest.mark.parametrize(
    ("queries", "number", "words"),
    [
        (["SELECT * FROM stale"], 1356, "refused the query"),
        (["SELECT * FROM orphaned"], 1449, "refused the query"),
        (
            ["SELECT 'a' COLLATE utf8mb4_bin = 'a' COLLATE utf8mb4_general_ci"],
            1267,
            "refused the query",
        ),
        (["SELECT nosuch()"], 1305, "refused the query"),
        (["SELECT refuse()"], 1644, "refused the query"),
        (["SELECT 'a' REGEXP '('"], 1139, "refused the query"),
        (
            ["SET sql_big_selects = 0", "SET max_join_size = 1", "SELECT 1 FROM orders, orders o"],
            1104,
            "refused the query",
        ),
        (["SELECT * FROM negative"], 1690, "could not compute one of the values"),
        (["SELECT * FROM several"], 1242, "could not compute one of the values"),
    ],
)
def test_a_query_that_mariadb_cannot_answer_is_told_as_the_sources(
    shop: MariaDb, queries: list[str], number: int, words: str
) -> None:
    with pytest.raises(pymysql.MySQLError) as raised:
        shop.execute(*queries)
    failure = source_failure(raised.value)
    assert (type(failure), failure.code) == (PermanentError, "configuration")
    assert str(failure).startswith(f"The source database {words}")
    assert str(failure).endswith(f" {number}).")
    assert PASSWORD not in str(failure)


@pytest.fixture
def clerk(mariadb: MariaDb) -> Iterator[str]:
    """Return a user of MariaDB who can log in."""
    name = mariadb.database.removeprefix("connector_")
    mariadb.execute(f"CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
    yield name
    mariadb.execute(f"DROP USER '{name}'@'127.0.0.1'")


@pytest.mark.parametrize(("change", "number"), [("ACCOUNT LOCK", 4151), ("PASSWORD EXPIRE", 1820)])
def test_an_account_of_mariadb_that_is_locked_or_expired_waits_for_a_person(
    mariadb: MariaDb, clerk: str, change: str, number: int
) -> None:
    mariadb.execute(f"ALTER USER '{clerk}'@'127.0.0.1' {change}")
    with pytest.raises(pymysql.MySQLError) as raised:
        _ask_as(mariadb, clerk)
    failure = source_failure(raised.value)
    assert (type(failure), failure.code) == (PermanentError, "authorization")
    assert str(failure) == (
        "The source database refused the login: the account is locked, or its password has expired"
        f" and has to be renewed (OperationalError {number})."
    )


def _ask_as(mariadb: MariaDb, user: str) -> None:
    connection = pymysql.connect(
        host="127.0.0.1", port=mariadb.port, user=user, password=PASSWORD, ssl_disabled=True
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (pymysql.err.OperationalError(2003, "certificate verify failed"), PermanentError),
        (pymysql.err.OperationalError(1815, "certificate verify failed"), TransientError),
        (pymysql.err.InternalError(f"Packet sequence number wrong {PASSWORD}"), TransientError),
        (pymysql.err.InterfaceError(0, ""), TransientError),
        (pymysql.err.OperationalError(), TransientError),
        (pymysql.err.ProgrammingError(1064, PASSWORD), PermanentError),
        (pymysql.err.ProgrammingError(PASSWORD), PermanentError),
    ],
)
def test_text_decides_only_where_the_driver_wrote_it(
    error: pymysql.MySQLError, kind: type[SynclineError]
) -> None:
    failure = source_failure(error)
    assert type(failure) is kind
    assert PASSWORD not in str(failure)


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (sqlite3.SQLITE_AUTH, PermanentError, "configuration"),
        (sqlite3.SQLITE_CANTOPEN_ISDIR, PermanentError, "configuration"),
        (sqlite3.SQLITE_CORRUPT, PermanentError, "configuration"),
        (sqlite3.SQLITE_NOTADB, PermanentError, "configuration"),
        (sqlite3.SQLITE_READONLY, PermanentError, "configuration"),
        (sqlite3.SQLITE_TOOBIG, PermanentError, "configuration"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, TransientError, "source_unavailable"),
        (sqlite3.SQLITE_INTERRUPT, TransientError, "source_unavailable"),
        (sqlite3.SQLITE_IOERR_READ, TransientError, "source_unavailable"),
        (sqlite3.SQLITE_READONLY_ROLLBACK, TransientError, "source_unavailable"),
    ],
)
def test_the_result_code_of_a_sqlite_error_decides(
    code: int, kind: type[SynclineError], reason: str
) -> None:
    error = sqlite3.OperationalError(PASSWORD)
    error.sqlite_errorcode = code
    failure = source_failure(error)
    assert (type(failure), failure.code) == (kind, reason)
    assert str(failure).endswith(f"(OperationalError {code}).")
    assert PASSWORD not in str(failure)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("22003", "cannot hold one of the values that were read"),
        ("23502", "cannot hold one of the values that were read"),
        ("23505", "found two records with one primary key"),
        ("21000", "found two records with one primary key"),
        ("2BP01", "has a table or column that is not as the last sync left it"),
        ("42P01", "has a table or column that is not as the last sync left it"),
        ("42703", "has a table or column that is not as the last sync left it"),
        ("42804", "has a table or column that is not as the last sync left it"),
        ("42883", "has a table or column that is not as the last sync left it"),
        ("0A000", "has a table or column that is not as the last sync left it"),
        ("54000", "cannot hold records of this size"),
        ("54011", "cannot hold records of this size"),
    ],
)
def test_what_the_data_or_the_tables_of_a_dataset_cause_is_permanent(
    dataset: Postgres, state: str, words: str
) -> None:
    failure = dataset_failure(_raised_by_postgres(dataset, state))
    assert (type(failure), failure.code) == (PermanentError, "configuration")
    assert str(failure).startswith(f"The dataset's database {words}")
    assert state in str(failure)
    assert PASSWORD not in str(failure)


def test_a_right_that_the_dataset_does_not_give_is_the_deployments_to_mend(
    dataset: Postgres,
) -> None:
    failure = dataset_failure(_raised_by_postgres(dataset, "42501"))
    assert (type(failure), failure.code) == (PermanentError, "internal")
    assert "whoever runs it has to give its role back" in str(failure)


@pytest.mark.parametrize("module", [dlt_failures, driver_kinds, failure_kinds])
def test_what_waits_for_a_person_says_what_to_do(module: ModuleType) -> None:
    kinds = [kind for kind in vars(module).values() if isinstance(kind, Kind)]
    silent = [kind.sentence for kind in kinds if not kind.transient and ": " not in kind.sentence]
    assert kinds
    assert silent == []


@pytest.mark.parametrize(
    "state",
    ["3D000", "3F000", "42P06", "42P07", "42701", "42710", "28P01", "57P01", "57014", "53100"],
)
def test_what_the_deployment_or_a_change_under_way_causes_in_a_dataset_passes(
    dataset: Postgres, state: str
) -> None:
    failure = dataset_failure(_raised_by_postgres(dataset, state))
    assert (type(failure), failure.code) == (TransientError, "dataset_unavailable")
    assert str(failure).startswith("The dataset's database did not take the load (")
    assert PASSWORD not in str(failure)


def test_an_error_of_another_driver_while_loading_passes() -> None:
    failure = dataset_failure(pymysql.err.OperationalError(1045, PASSWORD))
    assert (type(failure), failure.code) == (TransientError, "dataset_unavailable")
    assert PASSWORD not in str(failure)
