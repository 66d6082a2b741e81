"""The position of a stream between two slices: JSON that says which page comes next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from shared.connectors.base import Position
from shared.connectors.json_http.cursor import Window
from shared.connectors.json_http.trail import Memory
from shared.connectors.positions import (
    identity,
    read_cursor,
    unfinished,
    write_cursor,
)
from shared.connectors.watermarks import CursorValue
from shared.connectors.xledger.config import XledgerConfig
from shared.connectors.xledger.stream_config import StreamConfig


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a slice stopped within a stream.

    The next page begins behind the cursor `after`; None is the first. `newest` is the newest cursor
    value of all slices so far, `has_restarted` whether the source has refused a stored cursor in
    this run.
    """

    window: Window
    newest: CursorValue | None = None
    after: str | None = None
    memory: Memory = field(default_factory=dict[str, Any])
    has_restarted: bool = False

    def position(self, of: str) -> Position:
        """Return the stop as JSON."""
        stop = {
            "window": [self.window.start, self.window.end, self.window.began],
            "newest": write_cursor(self.newest),
            "after": self.after,
            "memory": self.memory,
            "has_restarted": self.has_restarted,
        }
        return unfinished(of, stop)

    @classmethod
    def read(cls, position: Mapping[str, Any]) -> Self:
        """Return what `position` wrote; raise `KeyError`, `TypeError` or `ValueError`."""
        return cls(
            window=Window(*position["window"]),
            newest=read_cursor(position["newest"]),
            after=position["after"],
            memory=position["memory"],
            has_restarted=position["has_restarted"],
        )


def identity_of(config: XledgerConfig, stream: StreamConfig) -> str:
    """Return what a position is of: the settings of its stream, which hold no secret."""
    return identity([config.endpoint, stream.model_dump(mode="json")])
