"""Connections to MySQL and MariaDB which can be cut; their deadlines are the driver's own."""

from typing import Any

from pymysql.connections import Connection

from shared.connectors.lines import ANSWER, CONNECT, Line, Lines


class LineConnection(Connection):
    """A connection with a line, which is closed with it. It reads in pieces, each with a deadline.

    What the server still does for a connection that was cut is left to it: to end that, another
    connection would have to name it by a number, which behind a balancer may be another server's.
    """

    line: Line | None = None

    def __init__(self, lines: Lines, **parameters: Any) -> None:
        self._lines = lines
        seconds = CONNECT.total_seconds()
        super().__init__(
            connect_timeout=seconds, read_timeout=seconds, write_timeout=seconds, **parameters
        )

    def connect(self, sock: Any = None) -> None:
        """Connect, and be cut from then on."""
        super().connect(sock)
        opened: Any = self._sock  # pyright: ignore[reportAttributeAccessIssue] (there is no call for it)
        self.line = self._lines.add(opened.fileno(), ANSWER)

    def wait_for_answers(self) -> None:
        """Give statements from now on the time of a statement, and not that of a connection."""
        self._read_timeout = ANSWER.total_seconds()

    def close(self) -> None:
        """Close it; raise `pymysql.Error` if it was closed before."""
        try:
            super().close()
        finally:
            if self.line is not None:
                self.line.close()
