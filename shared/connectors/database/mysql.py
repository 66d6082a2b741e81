"""Connections to MySQL and MariaDB which can be cut; their deadlines are the driver's own."""

import socket
from typing import Any

from pymysql.connections import Connection

from shared.egress.guard import Guard
from shared.egress.lines import ANSWER, CONNECT, Line, Lines


class LineConnection(Connection):
    """A connection with a line, which is closed with it. It reads in pieces, each with a deadline.

    What the server still does for a connection that was cut is left to it: to end that, another
    connection would have to name it by a number, which behind a balancer may be another server's.
    """

    line: Line | None = None

    def __init__(self, guard: Guard, lines: Lines, **parameters: Any) -> None:
        self._guard = guard
        self._lines = lines
        seconds = CONNECT.total_seconds()
        super().__init__(
            connect_timeout=seconds, read_timeout=seconds, write_timeout=seconds, **parameters
        )

    def connect(self, sock: Any = None) -> None:
        """Connect to a checked address, and be cut from then on; TLS checks the name."""
        super().connect(sock or self._open())
        opened: Any = self._sock  # pyright: ignore[reportAttributeAccessIssue] (there is no call for it)
        self.line = self._lines.add(opened.fileno(), ANSWER)

    def _open(self) -> socket.socket:
        opened = self._guard.connect(self.host, self.port)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

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
