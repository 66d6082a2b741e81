"""Loads of one connector take turns; others do not wait."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from threading import Barrier, Event
from uuid import UUID, uuid4

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege, LockNotAvailable

from shared.connectors.dataset.readers import let_in, make_reader, revoke_reader
from shared.connectors.dataset.turn import turn_of
from shared.connectors.dataset.turn_table import make_turns
from shared.errors import LeaseLostError, PermanentError, TransientError
from shared.logs import fields_of
from tests.connectors.databases import DATASET, Postgres, hold_lease
from tests.connectors.pooler import posing_as_a_pooler
from tests.connectors.records import Records

SHORT = timedelta(milliseconds=100)
LONG = timedelta(seconds=60)


@pytest.fixture
def loader(dataset: Postgres) -> Iterator[str]:
    """Return the URL of a role that takes turns and may not end the connections of others."""
    with closing(psycopg2.connect(dataset.dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        make_turns(cursor)
    dataset.execute(
        "DROP ROLE IF EXISTS loader",
        "CREATE ROLE loader LOGIN",
        "GRANT USAGE ON SCHEMA syncline TO loader",
        "GRANT ALL ON syncline.load_turn TO loader",
    )
    yield dataset.dsn.replace("postgres@", "loader@")
    dataset.execute("DROP OWNED BY loader", "DROP ROLE loader")


def _have_turn(connector: UUID, url: str) -> None:
    with turn_of(connector, url, SHORT, hold_lease):
        pass


def test_a_load_waits_for_the_one_before_it(dataset: Postgres) -> None:
    connector, waits = uuid4(), Event()

    def wait() -> bool:
        waits.set()
        with turn_of(connector, dataset.dsn, LONG, hold_lease) as turn:
            return turn.connection.closed == 0

    with ThreadPoolExecutor(1) as pool:
        with turn_of(connector, dataset.dsn, SHORT, hold_lease) as first:
            second = pool.submit(wait)
            waits.wait()
            with first.connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.2)")
            assert not second.done()
        assert second.result(timeout=60)


def test_a_turn_that_does_not_come_is_taken_and_its_holder_can_write_no_more(
    dataset: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    connector = uuid4()
    with turn_of(connector, dataset.dsn, SHORT, hold_lease) as frozen:
        with (
            caplog.at_level(logging.WARNING, "shared.connectors.dataset.turn"),
            turn_of(connector, dataset.dsn, SHORT, hold_lease) as next_,
            next_.connection.cursor() as cursor,
        ):
            cursor.execute("SELECT 1")
        with frozen.connection.cursor() as cursor, pytest.raises(psycopg2.OperationalError):
            cursor.execute("CREATE TABLE written (id int)")
    assert not dataset.has_table("written")
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_an_open_transaction_of_the_holder_is_undone_before_its_turn_is_taken(
    dataset: Postgres,
) -> None:
    connector = uuid4()
    dataset.execute("CREATE TABLE written (id int)")
    with (
        turn_of(connector, dataset.dsn, SHORT, hold_lease) as frozen,
        frozen.connection.cursor() as cursor,
    ):
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO written VALUES (1)")
        with turn_of(connector, dataset.dsn, SHORT, hold_lease):
            assert dataset.rows("SELECT * FROM written") == []
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("COMMIT")
    assert dataset.rows("SELECT * FROM written") == []


def test_who_lost_the_lease_takes_no_turn_from_its_holder(dataset: Postgres) -> None:
    connector = uuid4()

    def lost() -> None:
        raise LeaseLostError("Another worker holds the run.")

    with turn_of(connector, dataset.dsn, SHORT, hold_lease) as holder:
        with pytest.raises(LeaseLostError), turn_of(connector, dataset.dsn, SHORT, lost):
            pass
        with holder.connection.cursor() as cursor:
            cursor.execute("SELECT 1")


def test_a_turn_that_cannot_be_taken_is_waited_for_by_another_attempt(
    dataset: Postgres, loader: str
) -> None:
    connector = uuid4()
    with turn_of(connector, dataset.dsn, SHORT, hold_lease):
        with pytest.raises(TransientError) as refused:
            _have_turn(connector, loader)
        assert refused.value.code == "dataset_busy"
    _have_turn(connector, loader)


def test_the_turn_is_free_again_after_a_load_that_failed(dataset: Postgres, loader: str) -> None:
    connector = uuid4()
    with pytest.raises(ZeroDivisionError), turn_of(connector, dataset.dsn, SHORT, hold_lease):
        raise ZeroDivisionError
    _have_turn(connector, loader)


def test_another_connector_does_not_wait(dataset: Postgres, loader: str) -> None:
    with turn_of(uuid4(), dataset.dsn, SHORT, hold_lease):
        _have_turn(uuid4(), loader)


@pytest.fixture
def reader(dataset: Postgres) -> Iterator[psycopg2.extensions.connection]:
    """Return a connection of a workspace's login, which knows as much as any."""
    make_reader(dataset.dsn, "curious")
    let_in(dataset.dsn, "curious", "secret")
    connection = psycopg2.connect(dataset.dsn, user="curious", password="secret")
    connection.autocommit = True
    yield connection
    connection.close()
    revoke_reader(dataset.dsn, "curious")


def test_a_login_that_reads_keeps_no_load_waiting_whatever_locks_it_takes(
    dataset: Postgres, reader: psycopg2.extensions.connection
) -> None:
    connector = uuid4()
    digest = sha256(f"load:{connector}".encode()).digest()
    with reader.cursor() as cursor:
        # The lock by which loads took turns before, and every one that another connection holds.
        cursor.execute("SELECT pg_advisory_lock(%s)", (int.from_bytes(digest[:8], signed=True),))
        with turn_of(connector, dataset.dsn, SHORT, hold_lease):
            cursor.execute(
                "SELECT DISTINCT classid::bigint << 32 | objid::bigint FROM pg_locks"
                " WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchall() == []
        _have_turn(connector, dataset.dsn)
        cursor.execute("SELECT 1")  # nobody had to end its connection


@pytest.mark.parametrize(
    "act",
    [
        "LOCK TABLE syncline.load_turn IN ACCESS SHARE MODE",
        "SELECT FROM syncline.load_turn FOR UPDATE",
        "INSERT INTO syncline.load_turn VALUES (gen_random_uuid(), pg_backend_pid())",
    ],
)
def test_a_login_that_reads_cannot_touch_the_turns(
    dataset: Postgres, reader: psycopg2.extensions.connection, act: str
) -> None:
    _have_turn(uuid4(), dataset.dsn)
    with reader.cursor() as cursor:
        cursor.execute("BEGIN READ WRITE")
        with pytest.raises(InsufficientPrivilege):
            cursor.execute(act)


def test_a_turn_of_a_process_that_is_gone_is_free_also_if_its_number_is_used_again(
    dataset: Postgres,
) -> None:
    connector = uuid4()
    _have_turn(connector, dataset.dsn)
    with closing(psycopg2.connect(dataset.dsn)) as other:
        dataset.execute(f"UPDATE syncline.load_turn SET pid = {other.info.backend_pid}")
        _have_turn(connector, dataset.dsn)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1")


def test_of_many_who_take_a_free_turn_at_once_one_has_it(dataset: Postgres) -> None:
    connector, start, holding = uuid4(), Barrier(8), []
    most: list[int] = []

    def take(number: int) -> None:
        start.wait()
        with turn_of(connector, dataset.dsn, LONG, hold_lease):
            holding.append(number)
            most.append(len(holding))
            Event().wait(0.01)
            holding.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, range(8)))
    assert most == [1] * 8


def _row_of_a_load_long_gone(dataset: Postgres, pid: int) -> UUID:
    """Return a connector whose turn a process had whose number another one has now."""
    connector = uuid4()
    dataset.execute(
        "INSERT INTO syncline.load_turn (connector_id, pid, backend_start, usesysid)"
        f" SELECT '{connector}', {pid}, now() - interval '3 days', oid"
        " FROM pg_roles WHERE rolname = 'loader'"
    )
    return connector


def test_a_process_of_the_server_with_a_dead_loaders_number_holds_no_turn(
    dataset: Postgres, loader: str
) -> None:
    kind = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    [(pid,)] = dataset.rows(kind)
    _have_turn(_row_of_a_load_long_gone(dataset, pid), loader)


def test_a_stranger_with_a_dead_loaders_number_holds_no_turn_and_lives_on(
    dataset: Postgres, loader: str
) -> None:
    dataset.execute("GRANT pg_signal_backend TO loader", "CREATE ROLE stranger LOGIN")
    try:
        url = dataset.dsn.replace("postgres@", "stranger@")
        with closing(psycopg2.connect(url)) as stranger, stranger.cursor() as cursor:
            _have_turn(_row_of_a_load_long_gone(dataset, stranger.info.backend_pid), loader)
            cursor.execute("SELECT 1")
    finally:
        dataset.execute("DROP ROLE stranger")


def test_who_cannot_see_whether_a_process_is_the_holder_does_not_end_it(
    dataset: Postgres, loader: str
) -> None:
    dataset.execute("GRANT pg_signal_backend TO loader", "CREATE ROLE earlier LOGIN")
    connector, url = uuid4(), dataset.dsn.replace("postgres@", "earlier@")
    try:
        with closing(psycopg2.connect(url)) as other, other.cursor() as cursor:
            dataset.execute(
                "INSERT INTO syncline.load_turn (connector_id, pid, backend_start, usesysid)"
                f" SELECT '{connector}', pid, backend_start, usesysid FROM pg_stat_activity"
                f" WHERE pid = {other.info.backend_pid}"
            )
            with pytest.raises(TransientError):
                _have_turn(connector, loader)
            cursor.execute("SELECT 1")
        _have_turn(connector, loader)
    finally:
        dataset.execute("DROP ROLE earlier")


def test_a_process_in_another_database_of_the_server_holds_no_turn(
    dataset: Postgres, loader: str
) -> None:
    dataset.execute("CREATE ROLE earlier LOGIN")
    connector, url = uuid4(), dataset.dsn.replace("postgres@", "earlier@")
    try:
        with closing(psycopg2.connect(url, dbname="postgres")) as other:
            dataset.execute(
                "INSERT INTO syncline.load_turn (connector_id, pid, usesysid)"
                f" SELECT '{connector}', pid, usesysid FROM pg_stat_activity"
                f" WHERE pid = {other.info.backend_pid}"
            )
            _have_turn(connector, loader)
    finally:
        dataset.execute("DROP ROLE earlier")


def test_a_holder_that_may_not_be_ended_is_told_to_whoever_runs_the_deployment(
    dataset: Postgres, loader: str, caplog: pytest.LogCaptureFixture
) -> None:
    dataset.execute("GRANT pg_read_all_stats TO loader")
    connector = uuid4()
    owner = dataset.dsn.replace("postgres@", "holder@")
    dataset.execute(
        "CREATE ROLE holder LOGIN",
        "GRANT USAGE ON SCHEMA syncline TO holder",
        "GRANT ALL ON syncline.load_turn TO holder",
    )
    try:
        with (
            turn_of(connector, owner, SHORT, hold_lease),
            caplog.at_level(logging.WARNING, "shared.connectors.dataset.turn"),
            pytest.raises(TransientError),
        ):
            _have_turn(connector, loader)
    finally:
        dataset.execute("DROP OWNED BY holder", "DROP ROLE holder")
    assert [fields_of(record)["event"] for record in caplog.records] == ["turn_not_taken_over"]


def test_a_turn_that_is_kept_is_not_taken_before_the_transaction_ends(dataset: Postgres) -> None:
    connector = uuid4()
    with turn_of(connector, dataset.dsn, SHORT, hold_lease) as turn:
        with turn.connection.cursor() as cursor:
            cursor.execute("BEGIN")
            turn.keep(cursor)
        with closing(psycopg2.connect(dataset.dsn)) as other, other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
            with pytest.raises(LockNotAvailable):
                # As whoever shares the process through a pooler would.
                cursor.execute("UPDATE syncline.load_turn SET token = gen_random_uuid()")


def test_a_turn_whose_row_is_another_loads_is_not_kept(dataset: Postgres) -> None:
    connector = uuid4()
    with turn_of(connector, dataset.dsn, SHORT, hold_lease) as turn:
        dataset.execute("UPDATE syncline.load_turn SET token = gen_random_uuid()")
        with turn.connection.cursor() as cursor, pytest.raises(TransientError) as refused:
            turn.keep(cursor)
    assert refused.value.code == "dataset_busy"


def test_a_load_whose_turn_is_anothers_by_now_writes_nothing(dataset: Postgres) -> None:
    def lose() -> None:
        dataset.execute("UPDATE syncline.load_turn SET token = gen_random_uuid()")

    with pytest.raises(TransientError) as refused:
        Records(dataset).load({"id": 1}, confirm_lease=lose)
    assert refused.value.code == "dataset_busy"
    assert not dataset.has_table(f"{DATASET}.orders")


def test_a_table_of_an_earlier_version_is_widened_by_the_first_load(dataset: Postgres) -> None:
    connector = uuid4()
    _have_turn(connector, dataset.dsn)
    dataset.execute(
        "ALTER TABLE syncline.load_turn DROP COLUMN usesysid, DROP COLUMN token",
        "DROP TABLE syncline.reader_rights",
    )
    with turn_of(connector, dataset.dsn, SHORT, hold_lease) as turn, turn.connection.cursor() as c:
        turn.keep(c)
    assert dataset.has_table("syncline.reader_rights")


def test_a_pooler_is_no_connection_to_load_by(dataset: Postgres) -> None:
    with posing_as_a_pooler(dataset.dsn) as url, pytest.raises(PermanentError) as refused:
        _have_turn(uuid4(), url)
    assert "pooler" in str(refused.value)
    assert "SYNCLINE_DATASET_URL" in str(refused.value)
