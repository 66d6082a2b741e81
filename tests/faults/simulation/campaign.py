"""Many worlds from one seed, one after the other, until there were enough ticks."""

from collections import Counter
from dataclasses import dataclass
from hashlib import sha256

from tests.faults.simulation.journal import ViolationError
from tests.faults.simulation.world import World

_COMMAND = "python -m tests.faults.simulation"


@dataclass(frozen=True, slots=True)
class Report:
    """What was lived through: how many worlds, ticks and runs, and how often what happened."""

    seed: int
    worlds: int
    ticks: int
    runs: int
    counts: Counter[str]

    def __str__(self) -> str:
        figures = f"{self.worlds} worlds, {self.ticks} ticks, {self.runs} runs"
        return f"simulation: seed {self.seed}: {figures}; every rule held"


def run_worlds(seed: int, ticks: int) -> Report:
    """Run worlds for at least so many ticks; raises `ViolationError` that says how to repeat it."""
    counts: Counter[str] = Counter()
    worlds = lived = runs = 0
    while lived < ticks:
        world = run_world(seed, worlds)
        worlds += 1
        lived += world.ticks
        runs += len(world.store.runs)
        counts += world.journal.counts
    return Report(seed, worlds, lived, runs, counts)


def run_world(seed: int, number: int) -> World:
    """Run one of a seed's worlds; raises `ViolationError` as `run_worlds` does."""
    world = World(_seed_of(seed, number))
    try:
        world.run()
    except Exception as error:
        broken = error if isinstance(error, ViolationError) else repr(error)
        raise ViolationError(
            f"{broken}\n\nSeed {seed}, world {number}, tick {world.ticks}."
            f" Repeat it: {_COMMAND} --seed {seed} --world {number}\n\n{world.journal.tail()}"
        ) from error
    return world


def _seed_of(seed: int, number: int) -> int:
    return int.from_bytes(sha256(f"{seed}:{number}".encode()).digest()[:8], "big")
