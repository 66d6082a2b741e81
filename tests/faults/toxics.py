"""What a fault proxy can do to bytes on their way, and where it begins to."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Direction(StrEnum):
    """Which way bytes go."""

    UP = "up"
    """From the client to the server."""
    DOWN = "down"
    """From the server to the client."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Each piece that is read from one side reaches the other so much later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drip:
    """Bytes pass at this rate, a few at a time."""

    bytes_per_second: int


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing passes and nothing is lost: what waits goes on when the toxic is taken away."""


@dataclass(frozen=True, slots=True)
class CutAfter:
    """So many more bytes pass, then both sides are reset (RST) in place of the next one."""

    count: int = 0


@dataclass(frozen=True, slots=True)
class HalfClose:
    """In place of the next bytes the stream ends (FIN); the other direction lives on."""


Toxic = Latency | Drip | Stall | CutAfter | HalfClose


class Moment(StrEnum):
    """On which side of a request a place is."""

    BEFORE = "before"
    """None of the request has passed, or not all of it when it came in pieces."""
    AFTER = "after"
    """All of the request has passed and none of its answer has come back."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in what a client sends: at `offset`, on one side of the request `text`."""

    offset: int
    text: str
    moment: Moment


class Watch(Protocol):
    """Follows what the client of one connection sends, from its first byte on."""

    def feed(self, data: bytes) -> Sequence[Mark]:
        """Return the places within `data`, in order; offsets count from its beginning."""
        ...


@dataclass(frozen=True, slots=True)
class Trap:
    """At the first place that fits, that one connection begins to suffer these toxics.

    `marker` is a part of the request's text.
    """

    marker: str
    moment: Moment
    up: Toxic | None = None
    down: Toxic | None = None

    def toxic(self, direction: Direction) -> Toxic | None:
        """Return what the connection suffers in a direction."""
        return self.up if direction is Direction.UP else self.down

    def fits(self, mark: Mark) -> bool:
        """Return whether this is the place."""
        return mark.moment is self.moment and self.marker in mark.text
