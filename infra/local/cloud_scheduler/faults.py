"""Faults on demand: what may happen to a tick that no correct program may notice."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

import pydantic.dataclasses
from pydantic import ConfigDict, Field, TypeAdapter, model_validator

_SHARE_BITS = 64


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

    def strikes(self, job_id: str, scheduled_at: datetime) -> bool:
        """Return whether this execution is struck; a repeat gets the same answer."""
        if self.job not in (None, job_id):
            return False
        identity = f"{self.seed}:{self.kind}:{job_id}:{scheduled_at.isoformat()}"
        digest = hashlib.sha256(identity.encode()).digest()
        share = int.from_bytes(digest[: _SHARE_BITS // 8], "big") / 2**_SHARE_BITS
        return share < self.probability


FAULTS = TypeAdapter(list[Fault])
"""Reads a list of faults from JSON; raises `pydantic.ValidationError` for what makes no sense."""


@dataclass(slots=True)
class _Switch:
    fault: Fault
    hits: int = 0

    @property
    def is_over(self) -> bool:
        return self.fault.times is not None and self.hits >= self.fault.times


class FaultPlan:
    """The switches that are on."""

    def __init__(self) -> None:
        self._switches: tuple[_Switch, ...] = ()

    def replace(self, faults: Sequence[Fault]) -> None:
        """Turn exactly these on, with their counts at zero."""
        self._switches = tuple(_Switch(fault) for fault in faults)

    def take(self, job_id: str, scheduled_at: datetime) -> Fault | None:
        """Return the fault that strikes an execution, if one does, and count it."""
        for switch in self._switches:
            if not switch.is_over and switch.fault.strikes(job_id, scheduled_at):
                switch.hits += 1
                return switch.fault
        return None

    def report(self) -> list[dict[str, Any]]:
        """Return each fault as a JSON object, with how often it happened."""
        return [{**asdict(switch.fault), "hits": switch.hits} for switch in self._switches]
