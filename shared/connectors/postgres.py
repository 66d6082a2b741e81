"""Connections to PostgreSQL whose every wait has a deadline of ours, and which can be cut."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any, cast

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.egress.addresses import Address
from shared.egress.lines import CONNECT, Line, Lines

_SHORTEST = timedelta(seconds=2)
"""libpq waits no shorter for an address."""
_PARAMETERS: dict[str, Any] = {
    "connect_timeout": int(CONNECT.total_seconds()),
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "syncline",
}


class _LineCursor(Cursor):
    """A cursor that waits by the line of its connection.

    Methods that nobody here calls are not covered: `callproc`, `executemany`, `scroll`, `copy_*`.
    """

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 (psycopg2's name)
        with self._answered():
            super().execute(query, vars)

    def fetchone(self) -> tuple[Any, ...] | None:
        with self._answered():
            return super().fetchone()

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        with self._answered():
            return super().fetchmany(size)

    def fetchall(self) -> list[tuple[Any, ...]]:
        with self._answered():
            return super().fetchall()

    def close(self) -> None:
        with self._answered():
            super().close()

    def _answered(self) -> AbstractContextManager[None]:
        return cast("LineConnection", self.connection).answered()


class LineConnection(Connection):
    """A connection with a line, which is closed with it."""

    line: Line

    @contextmanager
    def answered(self) -> Generator[None]:
        """Let the block be one wait; if it took too long, the driver's error says just that."""
        try:
            with self.line.waiting():
                yield
        except psycopg2.Error as error:
            if self.line.is_given_up:
                raise psycopg2.OperationalError("the wait for the server timed out") from error
            raise

    def commit(self) -> None:
        """Commit by the line."""
        with self.answered():
            super().commit()

    def rollback(self) -> None:
        """Roll back by the line."""
        with self.answered():
            super().rollback()

    def reset(self) -> None:
        """Go back to the session's defaults by the line."""
        with self.answered():
            super().reset()

    def close(self) -> None:
        """Close it and its line; more than once is harmless."""
        try:
            super().close()
        finally:
            self.line.close()


def tried_within(addresses: Sequence[Address], left: timedelta) -> tuple[Sequence[Address], int]:
    """Return which addresses libpq is to try, and for how many seconds each (`connect_timeout`).

    It takes that long for each, greeting and login included, so that all of them end in time.
    """
    tried = addresses[: max(1, left // _SHORTEST)]
    return tried, max(_SHORTEST, left / len(tried)) // timedelta(seconds=1)


def connect(lines: Lines, dsn: str | None = None, **parameters: Any) -> LineConnection:
    """Connect as libpq's `dsn` and parameters say; a wait takes `CONNECT` until told otherwise.

    Raises `psycopg2.OperationalError`.
    """
    connection = psycopg2.connect(
        dsn,
        connection_factory=LineConnection,
        cursor_factory=_LineCursor,
        **{**_PARAMETERS, **parameters},
    )
    try:
        connection.line = lines.add(connection.fileno(), CONNECT)
    except OSError:
        Connection.close(connection)
        raise
    return connection
