"""A SQLite file is read, and nothing else: it is not written, and no other file is opened."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.connectors.database.sqlite import LineConnection, connect
from shared.connectors.failures import source_failure
from shared.egress.lines import Lines
from shared.errors import PermanentError, SynclineError, TransientError
from tests.connectors.databases import SqliteFile

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture
def shop(tmp_path: Path) -> SqliteFile:
    file = SqliteFile(tmp_path)
    file.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)", "INSERT INTO orders VALUES (1)")
    return file


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def connection(shop: SqliteFile, lines: Lines) -> Iterator[LineConnection]:
    with closing(connect(shop.path, lines)) as opened:
        yield opened


def _told(error: BaseException) -> tuple[type[SynclineError], str]:
    failure = source_failure(error)
    return type(failure), str(failure)


def _asked(connection: LineConnection, query: str) -> list[Any]:
    return connection.cursor().execute(query).fetchall()


def test_a_table_is_read_in_every_way_of_fetching(connection: LineConnection) -> None:
    cursor = connection.cursor()
    assert cursor.execute("SELECT id FROM orders").fetchone() == (1,)
    assert cursor.execute("SELECT id FROM orders WHERE id = ?", (1,)).fetchmany(5) == [(1,)]
    assert cursor.fetchmany() == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO orders VALUES (2)",
        "CREATE TABLE more (id int)",
        "CREATE TEMP TABLE more (id int)",
        "DROP TABLE orders",
        "DELETE FROM orders",
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "VACUUM INTO 'copy.db'",
        "PRAGMA query_only = OFF",
        "PRAGMA trusted_schema = ON",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA temp_store_directory = '/'",
        "SELECT load_extension('evil')",
        "BEGIN IMMEDIATE",
    ],
)
def test_what_does_more_than_read_is_refused(
    shop: SqliteFile, connection: LineConnection, statement: str
) -> None:
    before = shop.path.read_bytes()
    with pytest.raises(sqlite3.DatabaseError):
        _asked(connection, statement)
    assert [path.name for path in shop.root.iterdir()] == [shop.name]
    assert shop.path.read_bytes() == before


def test_a_view_of_the_file_cannot_call_what_acts(shop: SqliteFile, lines: Lines) -> None:
    with closing(sqlite3.connect(shop.path)) as writer:
        writer.execute("CREATE VIEW trap AS SELECT load_extension('evil') AS id")
    with closing(connect(shop.path, lines)) as connection:
        with pytest.raises(sqlite3.DatabaseError) as refused:
            _asked(connection, "SELECT * FROM trap")
        assert "has a view that does more than read" in _told(refused.value)[1]


def test_a_view_that_makes_endless_values_is_refused(connection: LineConnection) -> None:
    with pytest.raises(sqlite3.Error) as refused:
        _asked(connection, "SELECT zeroblob(400000000)")
    assert "could not compute one of the values" in _told(refused.value)[1]


def test_a_query_ends_when_the_lines_are_cut(connection: LineConnection, lines: Lines) -> None:
    timer = threading.Timer(0.2, lines.cut)
    timer.start()
    with pytest.raises(sqlite3.OperationalError) as ended:
        _asked(connection, ENDLESS)
    timer.join()
    assert _told(ended.value) == (
        TransientError,
        "The source database did not answer in time: see whether it is well (OperationalError 9).",
    )


def test_a_query_that_takes_too_long_is_ended(connection: LineConnection, lines: Lines) -> None:
    connection.line.patience = timedelta(seconds=0.1)
    with lines.watched(), pytest.raises(sqlite3.OperationalError):
        _asked(connection, ENDLESS)
    assert connection.line.is_given_up


def test_a_connection_that_is_closed_closes_its_line(connection: LineConnection) -> None:
    for _ in ("once", "again"):
        connection.close()
    assert connection.line.is_closed


def test_a_writer_that_holds_its_file_is_waited_for_by_another_attempt(
    shop: SqliteFile, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.connectors.database.sqlite.CONNECT", timedelta(seconds=0.1))
    with (
        closing(sqlite3.connect(shop.path)) as writer,
        closing(connect(shop.path, lines)) as connection,
    ):
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as locked:
            _asked(connection, "SELECT * FROM orders")
    assert "is locked by a program that writes it" in _told(locked.value)[1]


def test_what_a_writer_keeps_beside_its_file_is_read_too(shop: SqliteFile, lines: Lines) -> None:
    with closing(sqlite3.connect(shop.path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        with writer:
            writer.execute("INSERT INTO orders VALUES (2)")
        with closing(connect(shop.path, lines)) as connection:
            assert _asked(connection, "SELECT id FROM orders") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>not found</html>" * 100, "is no SQLite file, is encrypted, or is damaged"),
        (b"", "has no such table or view"),
    ],
)
def test_a_file_that_is_no_database_is_told(
    tmp_path: Path, lines: Lines, content: bytes, words: str
) -> None:
    (tmp_path / "file.db").write_bytes(content)
    with (
        pytest.raises(sqlite3.DatabaseError) as refused,
        closing(connect(tmp_path / "file.db", lines)) as connection,
    ):
        _asked(connection, "SELECT * FROM orders")
    kind, told = _told(refused.value)
    assert kind is PermanentError
    assert words in told


def test_a_file_that_was_cut_short_is_told_as_damaged(shop: SqliteFile, lines: Lines) -> None:
    shop.execute(
        "CREATE TABLE long AS WITH RECURSIVE n(i) AS"
        " (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50) SELECT hex(zeroblob(2000)) FROM n"
    )
    shop.path.write_bytes(shop.path.read_bytes()[:40_000])
    with (
        pytest.raises(sqlite3.DatabaseError) as refused,
        closing(connect(shop.path, lines)) as connection,
    ):
        _asked(connection, "SELECT * FROM long")
    assert "is damaged" in _told(refused.value)[1]


def test_text_that_is_not_utf_8_is_told(shop: SqliteFile, lines: Lines) -> None:
    shop.execute("CREATE TABLE texts (t)", "INSERT INTO texts VALUES (CAST(x'ff00fe' AS TEXT))")
    with (
        closing(connect(shop.path, lines)) as connection,
        pytest.raises(sqlite3.OperationalError) as refused,
    ):
        _asked(connection, "SELECT t FROM texts")
    kind, sentence = _told(refused.value)
    assert kind is PermanentError
    assert sentence.startswith("The source database holds text that is not UTF-8: correct it there")


def test_a_file_with_a_name_that_looks_like_parameters_is_that_file(
    tmp_path: Path, lines: Lines
) -> None:
    file = SqliteFile(tmp_path, "a?mode=rwc#b%20c.db")
    file.execute("CREATE TABLE orders (id int)")
    with closing(connect(file.path, lines)) as connection:
        assert _asked(connection, "SELECT * FROM orders") == []
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
