"""What the connections of one fault proxy suffer at the moment; it lives in the proxy's loop."""

import asyncio
import threading
from collections.abc import Hashable, Sequence

from tests.faults.toxics import Direction, Mark, Toxic, Trap


class Switchboard:
    """The toxics of all connections, those of single ones, and the trap that waits for one."""

    def __init__(self) -> None:
        self._toxics: dict[Direction, Toxic] = {}
        self._trap: Trap | None = None
        self._caught: dict[Hashable, Trap] = {}
        self._changed = asyncio.Event()
        self.tripped = threading.Event()

    def toxic(self, link: Hashable, direction: Direction) -> Toxic | None:
        """Return what a connection suffers in a direction."""
        caught = self._caught.get(link)
        own = None if caught is None else caught.toxic(direction)
        return own or self._toxics.get(direction)

    def poison(self, direction: Direction, toxic: Toxic) -> None:
        """Let all connections suffer a toxic in place of the one before."""
        self._toxics[direction] = toxic
        self._announce()

    def set_trap(self, trap: Trap) -> None:
        """Wait for the first connection that comes to the place of a trap."""
        self.tripped.clear()
        self._trap = trap

    def catch(self, link: Hashable, marks: Sequence[Mark]) -> int | None:
        """Return where the trap takes a connection that comes to these places, if it does."""
        trap = self._trap
        found = next((mark for mark in marks if trap is not None and trap.fits(mark)), None)
        if trap is None or found is None:
            return None
        self._trap = None
        self._caught[link] = trap
        self._announce()
        self.tripped.set()
        return max(0, found.offset)

    def forget(self, link: Hashable) -> None:
        """Forget a connection that is over."""
        self._caught.pop(link, None)

    def clear(self) -> None:
        """Take every toxic and the trap away."""
        self._toxics.clear()
        self._caught.clear()
        self._trap = None
        self._announce()

    async def change_within(self, seconds: float | None) -> bool:
        """Wait so long, or for ever; return whether the toxics changed meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
