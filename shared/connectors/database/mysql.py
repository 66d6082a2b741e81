"""Connections to MySQL and MariaDB which can be cut; their deadlines are the driver's own."""

import socket
from ipaddress import ip_address
from typing import Any

import pymysql
from pymysql.connections import Connection

from shared.connectors.database.tls import Tls
from shared.connectors.database.tls_drivers import pymysql_parameters
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.egress.guard import Guard
from shared.egress.lines import ANSWER, CONNECT, Line, Lines
from shared.errors import TransientError


class LineConnection(Connection):
    """A connection with a line, which is closed with it. It reads in pieces, each with a deadline.

    What the server still does for a connection that was cut is left to it: to end that, another
    connection would have to name it by a number, which behind a balancer may be another server's.
    """

    line: Line | None = None

    def __init__(
        self,
        guard: Guard,
        lines: Lines,
        tls: Tls,
        *,
        host: str,
        port: int = 3306,
        **parameters: Any,
    ) -> None:
        """Connect to a checked address; TLS checks the name.

        Raises `pymysql.Error`, `OSError`, and `TransientError` for a server that takes too long.
        """
        seconds = CONNECT.total_seconds()
        opened = guard.connect(host, port, lines=lines)
        line = lines.add(opened.fileno(), CONNECT)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            super().__init__(
                host=host,
                port=port,
                connect_timeout=seconds,
                read_timeout=seconds,
                write_timeout=seconds,
                defer_connect=True,
                **pymysql_parameters(tls, ip_address(opened.getpeername()[0])),
                **parameters,
            )
            with line.waiting():  # the driver's deadlines are for each piece of a greeting
                super().connect(opened)
        except BaseException as error:
            opened.close()
            line.close()
            if line.is_given_up:
                raise TransientError(
                    "The source database did not let us in in time.",
                    code=Reason.SOURCE_UNAVAILABLE,
                    fault=Fault.TIMEOUT,
                ) from error
            raise
        line.patience = ANSWER
        self.line = line

    def connect(self, sock: Any = None) -> None:  # noqa: ARG002 (PyMySQL's signature)
        """Refuse to connect again: nobody has checked to which address."""
        raise pymysql.InterfaceError("the connection is closed")

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
