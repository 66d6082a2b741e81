"""Faults on demand: how a call of Cloud KMS may fail, or its bytes change on the way."""

from enum import StrEnum
from typing import Annotated, Self

import pydantic.dataclasses
from grpc import StatusCode
from pydantic import ConfigDict, Field, TypeAdapter, model_validator

from infra.local.emulator.errors import ApiError
from infra.local.emulator.faults import Switches


class FaultKind(StrEnum):
    """What goes wrong with an encryption or a decryption."""

    FAIL = "fail"
    """It is refused with the status `code`."""
    LOSE_CHECKSUMS = "lose_checksums"
    """The checksums of the request do not arrive, and the answer says so."""
    DAMAGE_ANSWER = "damage_answer"
    """A bit of the answer changes after its checksum was taken."""


@pydantic.dataclasses.dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Fault:
    """One switch. Of several that strike a call the first one counts."""

    kind: FaultKind
    method: str | None = None
    """`Encrypt` or `Decrypt`; None for both."""
    code: str | None = None
    """For fail, which needs one: the name of a gRPC status, such as UNAVAILABLE."""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of calls that it strikes, chosen by a hash of seed, method and number."""
    times: Annotated[int, Field(ge=1)] | None = None
    """After so many it is over; None for no end."""
    seed: int = 0

    @model_validator(mode="after")
    def _needs_code(self) -> Self:
        if self.kind is FaultKind.FAIL and self.code not in StatusCode.__members__:
            raise ValueError("to fail needs the name of a gRPC status as code")
        return self

    def error(self) -> ApiError:
        """Return what a call that fails is refused with."""
        return ApiError(StatusCode[self.code or "UNKNOWN"], "A fault that was asked for.")


FAULTS = TypeAdapter(list[Fault])
"""Reads a list of faults from JSON; raises `pydantic.ValidationError` for what makes no sense."""


class FaultPlan:
    """What the switches that are on do to a call."""

    def __init__(self) -> None:
        self.switches = Switches(FAULTS)
        self._calls = 0

    def take(self, method: str) -> Fault | None:
        """Return the fault that strikes this call, if one does, and count it."""
        self._calls += 1
        for switch in self.switches:
            if switch.fault.method not in (None, method):
                continue
            if switch.ask(f"{method}:{self._calls}"):
                return switch.fault
        return None
