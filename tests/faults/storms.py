"""Trouble for a database and the way to it, one after the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import sleep

from tests.faults.crashes import FragilePostgres
from tests.faults.proxy import Proxy
from tests.faults.scale import share
from tests.faults.toxics import CutAfter, Direction, Drip, HalfClose, Latency, Stall

_SHORTEST_SECONDS = 0.02
_LONGEST_SECONDS = 0.25
_MOST_BYTES = 4_000


@dataclass(frozen=True, slots=True)
class Storm:
    """What the trouble is made for; the seed decides how long each lasts and how much it hits."""

    fragile: FragilePostgres
    proxy: Proxy
    database: str
    seed: int

    def rage(self, times: int, look: Callable[[], object]) -> int:
        """Make and mend every trouble so many times, and `look` after each; return their number."""
        number = 0
        for _ in range(times):
            for trouble in _TROUBLES.values():
                number += 1
                trouble(self, number)
                sleep(self._seconds("lasting", number))
                self.proxy.heal()
                sleep(self._seconds("calm", number))
                look()
        return number

    def _seconds(self, what: str, number: int) -> float:
        return _SHORTEST_SECONDS + share(self.seed, what, number) * _LONGEST_SECONDS

    def cut(self, number: int) -> None:
        """Let so many bytes pass on each connection, and then none."""
        count = int(share(self.seed, "cut", number) * _MOST_BYTES)
        direction = list(Direction)[number % 2]
        self.proxy.poison(CutAfter(count), direction)


_TROUBLES: Mapping[str, Callable[[Storm, int], object]] = {
    "restart": lambda storm, _: storm.fragile.restart(),
    "reset": lambda storm, _: storm.proxy.reset(),
    "terminate": lambda storm, _: storm.fragile.terminate_backends(storm.database),
    "cut": Storm.cut,
    "stall": lambda storm, _: storm.proxy.poison(Stall()),
    "refuse": lambda storm, _: storm.proxy.refuse(),
    "half close": lambda storm, _: storm.proxy.poison(HalfClose(), Direction.DOWN),
    "latency": lambda storm, _: storm.proxy.poison(Latency(0.01)),
    "drip": lambda storm, _: storm.proxy.poison(Drip(20_000), Direction.DOWN),
    "deaf": lambda storm, _: storm.proxy.poison(Stall(), Direction.UP),
    "backend crash": lambda storm, _: storm.fragile.kill_backend(),
}
