"""Errors of database drivers are told by their SQLSTATE, number or, without one, their text."""

import psycopg2
import pymysql
import pytest

from shared.connectors.failures import dataset_failure, source_failure
from shared.errors import PermanentError, SynclineError, TransientError
from tests.connectors.databases import PASSWORD, Postgres


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
    ("text", "kind", "code"),
    [
        ('FATAL:  password authentication failed for user "u"', PermanentError, "authorization"),
        ('FATAL:  role "u" does not exist', PermanentError, "authorization"),
        ('FATAL:  database "d" does not exist', PermanentError, "configuration"),
        ("server does not support SSL, but SSL was required", PermanentError, "configuration"),
        ("SSL error: certificate verify failed", PermanentError, "configuration"),
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
    ("state", "kind", "code"),
    [
        ("22003", PermanentError, "configuration"),
        ("23505", PermanentError, "configuration"),
        ("42501", PermanentError, "authorization"),
        ("3D000", TransientError, "dataset_unavailable"),
        ("57P01", TransientError, "dataset_unavailable"),
        ("53100", TransientError, "dataset_unavailable"),
    ],
)
def test_a_dataset_failure_is_permanent_only_if_the_data_cause_it(
    dataset: Postgres, state: str, kind: type[SynclineError], code: str
) -> None:
    failure = dataset_failure(_raised_by_postgres(dataset, state))
    assert (type(failure), failure.code) == (kind, code)
    assert PASSWORD not in str(failure)
