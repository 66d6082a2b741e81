"""The open connections of one sync, which another thread can cut.

A driver that waits for a server which went silent waits for ever: the kernel on the other side, or
that of a proxy between, still acknowledges, so that keepalives find nothing wrong, and a deadline
of the server's own does not reach us. What does end such a wait is the end of the socket under it.
"""

import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta

from shared.clock import monotonic
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import TransientError

CONNECT = timedelta(seconds=10)
"""For a connection to come to be, and then for each of the short statements that set it up."""
STATEMENT = timedelta(seconds=900)
"""For a statement on the server. The first rows of a large table come after it was sorted, and the
next ones may be far apart in a view: there is no telling a slow answer from none any sooner."""
ANSWER = STATEMENT + timedelta(seconds=15)
"""For each wait of ours: longer than `STATEMENT`, so that a server that is well says so itself."""
ORPHAN = timedelta(seconds=10)
"""How often PostgreSQL looks, within a statement, whether the client is still there."""

_LOOK_SECONDS = 1.0


class Line:
    """One open connection: the thread that uses it waits by it, another one may cut it."""

    def __init__(self, descriptor: int, patience: timedelta) -> None:
        # A duplicate of our own: whoever closes the connection meanwhile, and whatever gets its
        # number next, this is the connection.
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._lock = threading.Lock()
        self._due: float | None = None
        self._is_left = False
        self.patience = patience
        """How long each wait from now on may take."""
        self.is_given_up = False
        """True once a wait took longer than that and the connection was cut for it."""

    @property
    def is_closed(self) -> bool:
        """Tell whether there is nothing left to cut."""
        return self._socket.fileno() < 0

    @contextmanager
    def waiting(self) -> Generator[None]:
        """Let the block be one wait for the server; it fails once the connection is cut."""
        self.begin()
        try:
            yield
        finally:
            self.rest()

    def begin(self) -> None:
        """Begin a wait; one that was begun before begins anew."""
        self._due = monotonic() + self.patience.total_seconds()

    def rest(self) -> None:
        """End the wait: nobody waits for the other side now."""
        self._due = None
        if self._is_left:
            self._end()

    def give_up_if_due(self, now: float) -> None:
        """Cut the connection if it is waited for longer than there is patience."""
        due = self._due
        if due is not None and now >= due:
            self.is_given_up = True
            self.cut()

    def cut(self) -> None:
        """End the connection under whoever waits for it; harmless when it is over."""
        with self._lock, suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of a connection that its driver has closed; more than once is harmless.

        While it is waited for it can still be cut: a client of HTTP leaves the connection to the
        answer that it still reads.
        """
        self._is_left = True
        if self._due is None:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self._socket.close()


class Lines:
    """The open connections of one sync or look. Every method may be called from any thread.

    With a `deadline` nothing of theirs takes longer, from now on: not what there is no connection
    for yet either, such as resolving a name, as long as it asks how much is `left`.
    """

    def __init__(self, deadline: timedelta | None = None) -> None:
        self._lock = threading.Lock()
        self._lines: list[Line] = []
        self._is_cut = threading.Event()
        self._until = None if deadline is None else monotonic() + deadline.total_seconds()

    @property
    def is_cut(self) -> bool:
        """Tell whether every connection is ended, and with it what they were for."""
        return self._is_cut.is_set()

    def left(self, most: timedelta) -> timedelta:
        """Return how long something may still take, up to `most`.

        Raises `TransientError` once there is no time left, or the connections are cut.
        """
        left = most
        if self._until is not None:
            left = min(most, timedelta(seconds=self._until - monotonic()))
        if self.is_cut or left <= timedelta(0):
            raise TransientError(
                "The source did not answer in time: see whether it is well.",
                code=Reason.SOURCE_UNAVAILABLE,
                fault=Fault.TIMEOUT,
            )
        return left

    def add(self, descriptor: int, patience: timedelta) -> Line:
        """Take a connection in by its socket; after `cut` it is dead at once.

        Whoever adds it closes the line after the connection.
        """
        line = Line(descriptor, patience)
        with self._lock:
            self._lines = [*(known for known in self._lines if not known.is_closed), line]
            if self._is_cut.is_set():
                line.cut()
        return line

    def cut(self) -> None:
        """End every connection, open or to come: the sync ends with whatever error they give."""
        with self._lock:
            self._is_cut.set()
            for line in self._lines:
                line.cut()

    def pause(self, seconds: float) -> None:
        """Wait; not any longer once the connections are cut."""
        self._is_cut.wait(seconds)

    @contextmanager
    def watched(self) -> Generator[None]:
        """Cut connections that are waited for too long, for the length of the block.

        The last of them ends with the block.
        """
        over = threading.Event()
        watch = threading.Thread(target=self._watch, args=(over,), name="lines", daemon=True)
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()
            self._close()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(_LOOK_SECONDS):
            now = monotonic()
            with self._lock:
                for line in self._lines:
                    line.give_up_if_due(now)

    def _close(self) -> None:
        with self._lock:
            for line in self._lines:
                line.cut()
                line.close()
                line.rest()
            self._lines = []
