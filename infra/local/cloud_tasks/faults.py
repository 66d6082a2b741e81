"""Faults on demand: what a queue may do to a task that no correct program may notice."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

import pydantic.dataclasses
from pydantic import Field, TypeAdapter

_SHARE_BITS = 64


class FaultKind(StrEnum):
    """What goes wrong."""

    DELIVER_TWICE = "deliver_twice"
    """An attempt is delivered again as soon as it was answered."""
    DELIVER_TWICE_AT_ONCE = "deliver_twice_at_once"
    """An attempt is delivered two times at the same moment."""
    DROP = "drop"
    """A task is accepted and never delivered."""
    DELAY = "delay"
    """A task is delivered `seconds` after its time."""
    REORDER = "reorder"
    """A task is held back for a share of `seconds`, another one for each."""
    LOSE_REPLY = "lose_reply"
    """A task is stored, and its creator gets UNAVAILABLE."""
    UNAVAILABLE = "unavailable"
    """A task is not stored, and its creator gets UNAVAILABLE."""


@pydantic.dataclasses.dataclass(frozen=True, slots=True, config=pydantic.ConfigDict(extra="forbid"))
class Fault:
    """One switch. The nth question about it has always the same answer: a hash of seed and n."""

    kind: FaultKind
    queue: str | None = None
    """Full name of the queue it is for; None for all."""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=0)] | None = None
    """After so many it is over; None for no end."""
    seconds: Annotated[float, Field(ge=0, le=86_400)] = 1.0
    """For delay and reorder."""
    seed: int = 0


FAULTS = TypeAdapter(list[Fault])
"""Reads a list of faults from JSON; raises `pydantic.ValidationError` for what makes no sense."""


@dataclass(slots=True)
class _Switch:
    fault: Fault
    asked: int = 0
    hits: int = 0

    def ask(self) -> bool:
        if self.fault.times is not None and self.hits >= self.fault.times:
            return False
        self.asked += 1
        hit = self.share("hit") < self.fault.probability
        self.hits += hit
        return hit

    def share(self, use: str) -> float:
        """Return a number in [0, 1) that depends on nothing but the fault and its count."""
        identity = f"{self.fault.seed}:{self.fault.kind}:{use}:{self.asked}"
        digest = hashlib.sha256(identity.encode()).digest()
        return int.from_bytes(digest[: _SHARE_BITS // 8], "big") / 2**_SHARE_BITS


class FaultPlan:
    """The switches that are on."""

    def __init__(self) -> None:
        self._switches: tuple[_Switch, ...] = ()

    def replace(self, faults: Sequence[Fault]) -> None:
        """Turn exactly these on, with their counts at zero."""
        self._switches = tuple(_Switch(fault) for fault in faults)

    def hits(self, kind: FaultKind, queue: str) -> bool:
        """Return whether this fault happens now; asking uses up one of its times."""
        return self._hit(kind, queue) is not None

    def hold(self, queue: str) -> timedelta:
        """Return how long a new task is held back beyond its time."""
        seconds = 0.0
        if (delay := self._hit(FaultKind.DELAY, queue)) is not None:
            seconds += delay.fault.seconds
        if (reorder := self._hit(FaultKind.REORDER, queue)) is not None:
            seconds += reorder.fault.seconds * reorder.share("place")
        return timedelta(seconds=seconds)

    def report(self) -> list[dict[str, Any]]:
        """Return each fault as a JSON object, with how often it was asked for and happened."""
        return [
            {**asdict(switch.fault), "asked": switch.asked, "hits": switch.hits}
            for switch in self._switches
        ]

    def _hit(self, kind: FaultKind, queue: str) -> _Switch | None:
        for switch in self._switches:
            fault = switch.fault
            if fault.kind is kind and fault.queue in (None, queue) and switch.ask():
                return switch
        return None
