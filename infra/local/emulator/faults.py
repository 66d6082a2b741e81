"""Fault switches: each decides by a hash whether it happens, and counts how often it did."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import Field, asdict, dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import TypeAdapter

_SHARE_BITS = 64


class AnyFault(Protocol):
    """What the faults of every service say; each adds whom they are for, and how long they last."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def kind(self) -> str:
        """What goes wrong."""
        ...

    @property
    def probability(self) -> float:
        """The share of events that it happens to."""
        ...

    @property
    def times(self) -> int | None:
        """After so many it is over; None for no end."""
        ...

    @property
    def seed(self) -> int:
        """Another one chooses other events."""
        ...


FaultT = TypeVar("FaultT", bound=AnyFault)


def share_of(fault: AnyFault, identity: str) -> float:
    """Return a number in [0, 1) that depends on nothing but the fault and what it is asked for."""
    digest = hashlib.sha256(f"{fault.seed}:{fault.kind}:{identity}".encode()).digest()
    return int.from_bytes(digest[: _SHARE_BITS // 8], "big") / 2**_SHARE_BITS


@dataclass(slots=True)
class Switch(Generic[FaultT]):
    """A fault that is on, and what became of it."""

    fault: FaultT
    asked: int = 0
    hits: int = 0

    def ask(self, identity: str) -> bool:
        """Return whether the fault happens to the event of that identity, and count it.

        A fault that has happened as often as it may is not asked any more.
        """
        if self.fault.times is not None and self.hits >= self.fault.times:
            return False
        self.asked += 1
        hit = share_of(self.fault, identity) < self.fault.probability
        self.hits += hit
        return hit


class Switches(Generic[FaultT]):
    """The faults that are on, in the order in which they are asked."""

    def __init__(self, form: TypeAdapter[list[FaultT]]) -> None:
        """`form` reads a list of faults from JSON."""
        self._form = form
        self._switches: tuple[Switch[FaultT], ...] = ()

    def __iter__(self) -> Iterator[Switch[FaultT]]:
        return iter(self._switches)

    def replace(self, faults: Sequence[FaultT]) -> None:
        """Turn exactly these on, with their counts at zero."""
        self._switches = tuple(Switch(fault) for fault in faults)

    def replace_by_json(self, text: bytes) -> None:
        """Turn exactly the faults of a JSON list on.

        Raises `pydantic.ValidationError` for what makes no sense, and changes nothing then.
        """
        self.replace(self._form.validate_json(text))

    def report(self) -> list[dict[str, Any]]:
        """Return each fault as a JSON object, with how often it was asked for and happened."""
        return [
            {**asdict(switch.fault), "asked": switch.asked, "hits": switch.hits}
            for switch in self._switches
        ]
