"""Faults on demand: what a queue may do to a task that no correct program may notice."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import pydantic.dataclasses
from pydantic import Field, TypeAdapter

from infra.local.emulator.faults import Switch, Switches, share_of


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


class FaultPlan:
    """What the switches that are on do to a queue."""

    def __init__(self) -> None:
        self.switches = Switches(FAULTS)

    def hits(self, kind: FaultKind, queue: str) -> bool:
        """Return whether this fault happens now; asking uses up one of its times."""
        return self._hit(kind, queue) is not None

    def hold(self, queue: str) -> timedelta:
        """Return how long a new task is held back beyond its time."""
        seconds = 0.0
        if (delay := self._hit(FaultKind.DELAY, queue)) is not None:
            seconds += delay.fault.seconds
        if (reorder := self._hit(FaultKind.REORDER, queue)) is not None:
            seconds += reorder.fault.seconds * share_of(reorder.fault, f"place:{reorder.asked}")
        return timedelta(seconds=seconds)

    def _hit(self, kind: FaultKind, queue: str) -> Switch[Fault] | None:
        for switch in self.switches:
            fault = switch.fault
            if fault.kind is not kind or fault.queue not in (None, queue):
                continue
            if switch.ask(f"hit:{switch.asked + 1}"):
                return switch
        return None
