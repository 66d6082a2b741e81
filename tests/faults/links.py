"""One connection through a fault proxy: a pump each way, which toxics slow, stop or cut."""

import asyncio
import socket
import struct
from typing import assert_never

from tests.faults.switchboard import Switchboard
from tests.faults.toxics import CutAfter, Direction, Drip, HalfClose, Latency, Stall, Watch

_PIECE = 65_536
_DRIPS_PER_SECOND = 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _CutError(Exception):
    """The connection is to be reset."""


class Link:
    """A client's socket, the server's, and what passes between them. It owns both."""

    def __init__(
        self, client: socket.socket, server: socket.socket, board: Switchboard, watch: Watch | None
    ) -> None:
        self._ends = {Direction.UP: (client, server), Direction.DOWN: (server, client)}
        self._board = board
        self._watch = watch
        self._budgets: dict[Direction, tuple[CutAfter, int]] = {}
        self._ended: set[Direction] = set()

    async def run(self) -> None:
        """Pass bytes until both sides have ended; on any trouble, or cancelled, reset both."""
        is_over = False
        try:
            async with asyncio.TaskGroup() as pumps:
                for direction in Direction:
                    pumps.create_task(self._pump(direction))
            is_over = True
        except* (OSError, _CutError):
            pass  # what one side suffers, the other one is told by the reset
        finally:
            self._board.forget(self)
            for end, _ in self._ends.values():
                close(end, reset=not is_over)

    async def _pump(self, direction: Direction) -> None:
        source, sink = self._ends[direction]
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(source, _PIECE):
            place = self._place_of_trap(direction, data)
            if place:
                await loop.sock_sendall(sink, data[:place])
                data = data[place:]
            await self._pass(direction, data)
        while isinstance(self._board.toxic(self, direction), Stall):
            await self._board.change_within(None)
        self._end(direction)

    def _place_of_trap(self, direction: Direction, data: bytes) -> int | None:
        if direction is not Direction.UP or self._watch is None:
            return None
        return self._board.catch(self, self._watch.feed(data))

    async def _pass(self, direction: Direction, data: bytes) -> None:
        """Bring bytes to the other side; what they suffer may change while they are under way."""
        while data and direction not in self._ended:
            data = await self._pass_some(direction, data)

    async def _pass_some(self, direction: Direction, data: bytes) -> bytes:
        """Return what is left of the data when something has passed or the toxics have changed."""
        loop, board, sink = asyncio.get_running_loop(), self._board, self._ends[direction][1]
        toxic = board.toxic(self, direction)
        passing = len(data)
        match toxic:
            case None:
                pass
            case Latency():
                if await board.change_within(toxic.seconds):
                    return data
            case Stall():
                await board.change_within(None)
                return data
            case Drip():
                passing = max(1, toxic.bytes_per_second // _DRIPS_PER_SECOND)
                await board.change_within(min(passing, len(data)) / toxic.bytes_per_second)
            case CutAfter():
                left = self._budget(direction, toxic)
                await loop.sock_sendall(sink, data[:left])
                if len(data) > left:
                    raise _CutError
                self._budgets[direction] = (toxic, left - len(data))
                return b""
            case HalfClose():
                self._end(direction)
                return b""
            case _:
                assert_never(toxic)
        await loop.sock_sendall(sink, data[:passing])
        return data[passing:]

    def _budget(self, direction: Direction, toxic: CutAfter) -> int:
        known, left = self._budgets.get(direction, (None, 0))
        return left if known is toxic else toxic.count

    def _end(self, direction: Direction) -> None:
        if direction not in self._ended:
            self._ended.add(direction)
            self._ends[direction][1].shutdown(socket.SHUT_WR)


def close(end: socket.socket, *, reset: bool) -> None:
    """Close a socket, with RST instead of FIN if wanted."""
    if reset:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    end.close()
