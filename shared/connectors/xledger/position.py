"""The position of a stream between two slices: JSON that says which page comes next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, cast

from shared.connectors.base import Position
from shared.connectors.json_http.cursor import Window
from shared.connectors.json_http.positions import identity
from shared.connectors.json_http.trail import Memory
from shared.connectors.watermarks import CursorValue, read_value, write_value
from shared.connectors.xledger.config import XledgerConfig
from shared.connectors.xledger.stream_config import StreamConfig
from shared.domain.run import Reason
from shared.errors import PermanentError


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
        return {
            "of": of,
            "finished": False,
            "window": [self.window.start, self.window.end, self.window.began],
            "newest": None if self.newest is None else write_value(self.newest),
            "after": self.after,
            "memory": self.memory,
            "has_restarted": self.has_restarted,
        }

    @classmethod
    def read(cls, position: Mapping[str, Any]) -> Self:
        """Return what `position` wrote; raise `KeyError`, `TypeError` or `ValueError`."""
        newest = position["newest"]
        return cls(
            window=Window(*position["window"]),
            # Only values of cursors are written.
            newest=None if newest is None else cast("CursorValue", read_value(newest)),
            after=position["after"],
            memory=position["memory"],
            has_restarted=position["has_restarted"],
        )


def identity_of(config: XledgerConfig, stream: StreamConfig) -> str:
    """Return what a position is of: the settings of its stream, which hold no secret."""
    return identity([config.endpoint, stream.model_dump(mode="json")])


def read_stop(name: str, of: str, position: Position | None) -> Stop | None:
    """Return where to go on, or None to begin; raise `PermanentError` if it cannot be read."""
    if position is None or position.get("of") != of:
        return None
    try:
        return Stop.read(position)
    except (KeyError, TypeError, ValueError) as error:
        raise PermanentError(
            f"The place where the sync of {name} stopped cannot be read: start it anew.",
            code=Reason.INTERNAL,
        ) from error
