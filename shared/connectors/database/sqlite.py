"""Connections to SQLite files, which only read, and which can be cut like any other."""

import sqlite3
from pathlib import Path
from socket import MSG_DONTWAIT, MSG_PEEK, socketpair
from typing import Any, cast
from urllib.parse import quote

from shared.egress.lines import ANSWER, CONNECT, Line, Lines

_SETTINGS = (
    "PRAGMA query_only = ON",
    "PRAGMA trusted_schema = OFF",  # the file's own views and triggers call nothing that acts
    "PRAGMA cell_size_check = ON",  # a damaged file is told and not believed
    "PRAGMA mmap_size = 0",  # a file that is cut short is an error and not a signal
)
_LONGEST_VALUE = 256 * 1024 * 1024
"""Bytes. A view can make a value of any length out of nothing."""
_STEPS = 20_000
"""After so many steps of a query it is looked whether to go on: a fraction of a millisecond."""

_ALLOWED = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_FUNCTION,
    }
)
_ALLOWED_PRAGMAS = frozenset(
    {
        "database_list",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)
_REFUSED_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})


class _LineCursor(sqlite3.Cursor):
    """A cursor that waits by the line of its connection."""

    def execute(self, sql: str, parameters: Any = (), /) -> "_LineCursor":
        with self._line.waiting():
            super().execute(sql, parameters)
        return self

    def fetchone(self) -> Any:
        with self._line.waiting():
            return super().fetchone()

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        with self._line.waiting():
            return super().fetchmany(1 if size is None else size)

    def fetchall(self) -> list[Any]:
        with self._line.waiting():
            return super().fetchall()

    @property
    def _line(self) -> Line:
        return cast("LineConnection", self.connection).line


class LineConnection(sqlite3.Connection):
    """A connection with a line, which is closed with it.

    A file has no socket. A pair of sockets stands for it: the line holds one end, and once that is
    shut down a query that runs finds the other at its end.
    """

    line: Line

    def watch(self, lines: Lines) -> None:
        """Let queries end when the lines are cut, or when one takes longer than `ANSWER`."""
        held, self._seen = socketpair()
        try:
            self.line = lines.add(held.fileno(), ANSWER)
        finally:
            held.close()
        self.set_progress_handler(self._is_cut, _STEPS)

    def cursor(self, factory: Any = _LineCursor) -> Any:
        """Return a cursor that waits by the line."""
        return super().cursor(factory)

    def close(self) -> None:
        """Close it and its line; more than once is harmless."""
        try:
            super().close()
        finally:
            self.line.close()
            self._seen.close()

    def _is_cut(self) -> bool:
        try:
            return self._seen.recv(1, MSG_PEEK | MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False


def connect(path: Path, lines: Lines) -> LineConnection:
    """Open a file to read it; raise `sqlite3.Error`.

    Nothing else is opened with it, nothing is written, and no code of the file's runs.
    """
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro",
        uri=True,
        timeout=CONNECT.total_seconds(),
        isolation_level=None,
        check_same_thread=False,
        factory=LineConnection,
    )
    connection.watch(lines)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        for statement in _SETTINGS:
            connection.execute(statement)
        connection.set_authorizer(_authorize)
    except BaseException:
        connection.close()
        raise
    return connection


def _authorize(action: int, first: str | None, second: str | None, *_rest: str | None) -> int:
    allowed = action in _ALLOWED
    if action == sqlite3.SQLITE_FUNCTION:
        allowed = second not in _REFUSED_FUNCTIONS
    elif action == sqlite3.SQLITE_PRAGMA:
        allowed = first in _ALLOWED_PRAGMAS
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
