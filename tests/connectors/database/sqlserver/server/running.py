"""The server itself: it listens on loopback, and each connection has a thread."""

import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.connectors.certificates import Authority, server_context
from tests.connectors.database.sqlserver.server.requests import Login
from tests.connectors.database.sqlserver.server.session import Session
from tests.connectors.database.sqlserver.server.store import SqlError, Store
from tests.connectors.database.sqlserver.server.wire import HungUp, Wire
from tests.connectors.databases import PASSWORD


@dataclass(slots=True)
class Faults:
    """What goes wrong with the server, if anything does."""

    greeting: bytes | None = None
    """It says this instead of its first answer, and hangs up."""
    encryption: int | None = None
    """What it says of encryption, whatever it can do."""
    drips: bool = False
    """Its first answer comes byte by byte."""
    login_error: int | None = None
    route: tuple[str, int] | None = None
    """The host and port to which it sends every client."""
    cut_after_rows: int | None = None
    garbage_after_rows: int | None = None
    errors: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Number and severity of what it says to a statement that has this in it."""
    packet_size: int | None = None
    """What it says is agreed on for packets, whatever it was asked for."""
    messages: int = 0
    """How many messages it sends before each answer."""
    texts: dict[str, str] = field(default_factory=dict)
    """What it sends instead of a value that is this text: DuckDB keeps no half of a pair."""
    stalls: str | None = None
    """It never answers a statement that has this in it."""

    def meet(self, statement: str, wait: Callable[[], None]) -> None:
        """Do what goes wrong with a statement; raises `SqlError`."""
        for part, (number, severity) in self.errors.items():
            if part in statement:
                raise SqlError(number, severity)
        if self.stalls is not None and self.stalls in statement:
            wait()


@cache
def _own_certificate() -> ssl.SSLContext:
    return server_context(Authority().of_host("sqlserver"))


@dataclass(slots=True)
class SqlServer:
    """One server, and what it has seen of its clients."""

    port: int
    store: Store = field(default_factory=Store)
    context: ssl.SSLContext | None = field(default_factory=_own_certificate)
    """As after an installation there is a certificate that no one has signed for it."""
    requires_tls: bool = False
    account: tuple[str, str] = ("reader", PASSWORD)
    databases: tuple[str, ...] = ("shop", "master")
    faults: Faults = field(default_factory=Faults)
    logins: list[Login] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    attentions: int = 0
    encrypted: int = 0
    """How many connections were encrypted."""
    open: int = 0
    """How many connections are served now."""
    sent: int = 0
    """Bytes that were sent over connections that have ended."""

    @property
    def url(self) -> str:
        return f"mssql://reader@127.0.0.1:{self.port}/shop"

    def execute(self, *statements: str) -> None:
        """Run statements of T-SQL."""
        for statement in statements:
            for result in self.store.run(statement, {}):
                list(result.rows)

    def rows(self, query: str) -> list[Any]:
        return [row for result in self.store.run(query, {}) for row in result.rows]

    def serve(self, client: socket.socket) -> None:
        connection = Wire(client)
        self.open += 1
        try:
            with suppress(HungUp, ssl.SSLError):
                Session(self, connection).serve()
        finally:
            self.sent += connection.sent
            self.open -= 1
            client.close()


@contextmanager
def running_sql_server(host: str = "127.0.0.1") -> Generator[SqlServer]:
    """Run a server with an empty database for the length of the block."""
    threads: list[threading.Thread] = []
    clients: list[socket.socket] = []
    with socket.create_server((host, 0)) as listener:
        server = SqlServer(listener.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    clients.append(client)
                    threads.append(threading.Thread(target=server.serve, args=(client,)))
                    threads[-1].start()

        threads.append(threading.Thread(target=accept))
        threads[-1].start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for client in clients:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(10)
            server.store.close()
