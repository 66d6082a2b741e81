"""Connections of urllib3 that go out through the guard, each with a line."""

import socket
import threading
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, cast

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from shared.egress.guard import Guard
from shared.egress.lines import Line, Lines


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take."""

    silence: timedelta = timedelta(seconds=30)
    """For a host to send anything more."""
    answer: timedelta = timedelta(seconds=300)
    """For an answer as a whole, from the request to its last byte."""
    body_bytes: int = 512 * 1024 * 1024
    """For a body, decompressed."""
    pause: timedelta = timedelta(seconds=30)
    """The longest Retry-After that is waited for; a longer one is the run's."""
    per_second: float | None = None
    """Requests a second; None for as fast as the host answers."""


USUAL = Limits()


class Door:
    """What the connections of one adapter share; `line` is the newest of each thread."""

    def __init__(self, guard: Guard, lines: Lines, limits: Limits) -> None:
        self.guard = guard
        self.lines = lines
        self.limits = limits
        self._of_thread = threading.local()

    @property
    def line(self) -> Line | None:
        """The line of the newest request of this thread."""
        return getattr(self._of_thread, "line", None)

    def is_given_up(self) -> bool:
        """Tell whether that request was cut because it took too long."""
        return self.line is not None and self.line.is_given_up

    def open(self, host: str, port: int) -> tuple[socket.socket, Line]:
        """Return a connection to a checked address, and its line; raises as `Guard.connect`."""
        opened = self.guard.connect(host, port, lines=self.lines)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(self.limits.silence.total_seconds())
            return opened, self.lines.add(opened.fileno(), self.limits.answer)
        except BaseException:
            opened.close()
            raise

    def use(self, line: Line) -> None:
        """Begin a request of this thread by a line."""
        line.begin()
        self._of_thread.line = line


class _Checked(HTTPConnection):
    """A connection through the door: to a checked address, with a line."""

    def __init__(self, *args: Any, door: Door, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._door = door
        self._line: Line | None = None

    def _new_conn(self) -> socket.socket:
        opened, self._line = self._door.open(self._dns_host, self.port)
        self._door.use(self._line)
        return opened

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self._line is not None:
            self._door.use(self._line)
        super().request(*args, **kwargs)

    def close(self) -> None:
        super().close()
        if self._line is not None:
            self._line.close()
            self._line = None


class _CheckedTls(_Checked, HTTPSConnection):
    """The same with TLS, whose certificate is checked against the name."""


class HttpPool(HTTPConnectionPool):
    """A pool of connections through the door."""

    def __init__(self, *args: Any, door: Door, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ConnectionCls = cast("Any", partial(_Checked, door=door))


class HttpsPool(HTTPSConnectionPool):
    """A pool of connections with TLS through the door."""

    def __init__(self, *args: Any, door: Door, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ConnectionCls = cast("Any", partial(_CheckedTls, door=door))
