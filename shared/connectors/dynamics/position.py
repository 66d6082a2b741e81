"""The position of a stream between two slices: JSON that says which page comes next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from shared.connectors.base import Position
from shared.connectors.dynamics.config import DynamicsConfig
from shared.connectors.dynamics.stream_config import StreamConfig
from shared.connectors.json_http.trail import Memory
from shared.connectors.positions import (
    identity,
    read_cursor,
    unfinished,
    write_cursor,
)
from shared.connectors.watermarks import CursorValue


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a slice stopped within a stream.

    `start` is from where on the run asks for records, and `newest` the newest cursor value so far;
    `cap` is when it began, and `is_sorted` tells that it then had one part, in the order of the
    cursor. `delta` is the link that it began with, if it did. `company` is the id
    of the one whose page `link` comes next, and None for the first.
    """

    cap: datetime
    start: CursorValue | None = None
    newest: CursorValue | None = None
    is_sorted: bool = False
    delta: str | None = None
    company: str | None = None
    link: str | None = None
    memory: Memory = field(default_factory=dict[str, Any])
    has_restarted: bool = False

    def position(self, of: str) -> Position:
        """Return the stop as JSON."""
        stop = {
            "cap": self.cap.isoformat(),
            "start": write_cursor(self.start),
            "newest": write_cursor(self.newest),
            "is_sorted": self.is_sorted,
            "delta": self.delta,
            "company": self.company,
            "link": self.link,
            "memory": self.memory,
            "has_restarted": self.has_restarted,
        }
        return unfinished(of, stop)

    @classmethod
    def read(cls, position: Mapping[str, Any]) -> Self:
        """Return what `position` wrote; raise `KeyError`, `TypeError` or `ValueError`."""
        return cls(
            cap=datetime.fromisoformat(position["cap"]),
            start=read_cursor(position["start"]),
            newest=read_cursor(position["newest"]),
            is_sorted=position["is_sorted"],
            delta=position["delta"],
            company=position["company"],
            link=position["link"],
            memory=position["memory"],
            has_restarted=position["has_restarted"],
        )


def identity_of(config: DynamicsConfig, stream: StreamConfig) -> str:
    """Return what a position is of: the settings of its stream, which hold no secret."""
    settings = (config.service.model_dump(mode="json"), stream.model_dump(mode="json"))
    return identity([config.api_url, *settings])
