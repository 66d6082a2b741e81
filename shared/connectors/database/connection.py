"""The connection to a source that the streams of a slice share, one after the other."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Connection, Engine

from shared.clock import monotonic
from shared.connectors.access_failures import access_failure
from shared.errors import PermanentError, TransientError

_IDLE = timedelta(seconds=5)
"""How long a connection may stand still and be used again. While a large table is loaded it may be
dropped on its way, and then a new one costs little."""


class SourceConnection:
    """A connection to a source, opened when it is first used and again after any trouble."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._used_at = 0.0

    @property
    def dialect(self) -> str:
        """Return SQLAlchemy's name for the kind of the source."""
        return self._engine.dialect.name

    @contextmanager
    def used(self) -> Generator[Connection]:
        """Let the block read, in a transaction that ends with it; not within another block.

        After an error nothing of the connection is used again. Raises `TransientError` or
        `PermanentError` with `is_of_connector` if there is no connection to be had.
        """
        connection = self._ready()
        try:
            yield connection
            connection.rollback()
            self._used_at = monotonic()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection, if there is one; the next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # Without a word to a server that may not answer any more: it undoes what is open.
            connection.invalidate()
            connection.close()

    def _ready(self) -> Connection:
        known, idle = self._connection, monotonic() - self._used_at
        if known is not None and not known.invalidated and idle < _IDLE.total_seconds():
            return known
        self.close()
        try:
            connection = self._engine.connect()
        except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote a login)
            failure = access_failure(error)
            if isinstance(failure, TransientError | PermanentError):
                failure.is_of_connector = True
            raise failure from None
        self._connection = connection
        return connection
