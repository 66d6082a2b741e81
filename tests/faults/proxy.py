"""A TCP proxy on loopback that hurts what passes through it, switchable while it runs."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from infra.local.ports import HOST
from tests.faults.links import Link, close
from tests.faults.switchboard import Switchboard
from tests.faults.toxics import Direction, Toxic, Trap, Watch

_CONTROL_SECONDS = 10.0
_Result = TypeVar("_Result")


class Proxy:
    """Listens on `port` and passes bytes on to a server, as the toxics allow.

    Every method may be called from any thread; what it switches holds when it returns.
    """

    def __init__(self, upstream: tuple[str, int], new_watch: Callable[[], Watch] | None) -> None:
        self._upstream = upstream
        self._new_watch = new_watch
        # Bound beside the listener: the port stays ours while nobody listens, so that it is the
        # kernel that refuses, and not a stranger who took the port meanwhile.
        self._holder = _bound(0)
        self.port = int(self._holder.getsockname()[1])
        self._listener: socket.socket | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._accepted = 0
        self._board = Switchboard()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy")

    def poison(self, toxic: Toxic, *directions: Direction) -> None:
        """Let all that flows (both ways unless told otherwise) suffer a toxic from now on."""

        async def act() -> None:
            for direction in directions or Direction:
                self._board.poison(direction, toxic)

        self._run(act())

    def set_trap(self, trap: Trap) -> None:
        """Wait for one connection, open or new, to come to a place; only that one is hurt."""

        async def act() -> None:
            self._board.set_trap(trap)

        self._run(act())

    def wait_for_trap(self, seconds: float) -> bool:
        """Return whether a connection was caught within so many seconds."""
        return self._board.tripped.wait(seconds)

    def reset(self) -> int:
        """Reset (RST) both sides of every open connection; return how many there were."""
        return self._run(self._reset())

    def refuse(self) -> None:
        """Let new connections be refused; open ones live on."""
        self._run(self._stop_listening())

    def heal(self) -> None:
        """Take every fault away; what was held back goes on its way."""
        self._run(self._heal())

    def accepted(self) -> int:
        """Return how many connections were accepted so far."""
        return self._accepted

    def open_connections(self) -> int:
        """Return how many connections pass through now."""
        return len(self._links)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        self._run(self._listen())

    def close(self) -> None:
        """Reset every connection and end the thread; raise what broke within the proxy itself."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._holder.close()
        if self._failures:
            raise self._failures[0]

    def _run(self, act: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(_CONTROL_SECONDS)

    async def _heal(self) -> None:
        self._board.clear()
        if self._listener is None:
            await self._listen()

    async def _listen(self) -> None:
        self._listener = _bound(self.port)
        self._listener.listen()
        self._loop.add_reader(self._listener, self._accept, self._listener)

    async def _stop_listening(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    async def _end(self) -> None:
        await self._stop_listening()
        await self._reset()

    async def _reset(self) -> int:
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)
        return len(links)

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # it left while it waited
        client.setblocking(False)
        self._accepted += 1
        link = self._loop.create_task(self._serve(client))
        self._links.add(link)
        link.add_done_callback(partial(self._forget, client))

    def _forget(self, client: socket.socket, link: asyncio.Task[None]) -> None:
        client.close()  # of one that was reset before it began, too
        self._links.discard(link)
        if not link.cancelled() and (failure := link.exception()) is not None:
            self._failures.append(failure)

    async def _serve(self, client: socket.socket) -> None:
        server = socket.socket()
        server.setblocking(False)
        try:
            await self._loop.sock_connect(server, self._upstream)
        except BaseException as error:
            close(server, reset=True)
            close(client, reset=True)
            if isinstance(error, OSError):
                return  # the server is away, which the client has been told
            raise
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        watch = None if self._new_watch is None else self._new_watch()
        await Link(client, server, self._board, watch).run()


@contextmanager
def running_proxy(
    port: int, new_watch: Callable[[], Watch] | None = None
) -> Generator[Proxy, None, None]:
    """Run a proxy before a port of loopback for the length of the block.

    Traps need `new_watch`, which makes what understands the requests of one connection.
    """
    proxy = Proxy((HOST, port), new_watch)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.setblocking(False)
    bound.bind((HOST, port))
    return bound
