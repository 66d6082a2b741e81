"""Faults on demand: what may happen to a tick that no correct program may notice."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

import pydantic.dataclasses
from pydantic import ConfigDict, Field, TypeAdapter, model_validator

from infra.local.emulator.faults import Switches


class FaultKind(StrEnum):
    """What goes wrong with the first attempt of an execution."""

    DELIVER_TWICE = "deliver_twice"
    """It is delivered again as soon as it was answered."""
    DELIVER_TWICE_AT_ONCE = "deliver_twice_at_once"
    """It is delivered two times at the same moment."""
    DROP = "drop"
    """It is never delivered, and the scheduler does not know."""
    DELAY = "delay"
    """It is delivered `seconds` after its time, which it still carries."""


@pydantic.dataclasses.dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Fault:
    """One switch. Of several that strike an execution the first one counts."""

    kind: FaultKind
    job: str | None = None
    """The id of the job that it is for; None for all."""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of executions that it strikes, chosen by a hash of seed, job and time."""
    times: Annotated[int, Field(ge=1)] | None = None
    """After so many it is over; None for no end."""
    seconds: Annotated[float, Field(ge=0, le=3_600)] = 0.0
    """For delay, which needs some."""
    seed: int = 0

    @model_validator(mode="after")
    def _needs_seconds(self) -> Self:
        if self.kind is FaultKind.DELAY and self.seconds == 0:
            raise ValueError("a delay needs seconds")
        return self


FAULTS = TypeAdapter(list[Fault])
"""Reads a list of faults from JSON; raises `pydantic.ValidationError` for what makes no sense."""


class FaultPlan:
    """What the switches that are on do to an execution."""

    def __init__(self) -> None:
        self.switches = Switches(FAULTS)

    def take(self, job_id: str, scheduled_at: datetime) -> Fault | None:
        """Return the fault that strikes an execution, if one does, and count it.

        Chance gives a repeated question the same answer.
        """
        for switch in self.switches:
            if switch.fault.job not in (None, job_id):
                continue
            if switch.ask(f"{job_id}:{scheduled_at.isoformat()}"):
                return switch.fault
        return None
