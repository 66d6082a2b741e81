"""The position of a stream between two slices: JSON that says which page comes next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self, cast

from shared.connectors.base import Position
from shared.connectors.dynamics.config import DynamicsConfig
from shared.connectors.dynamics.stream_config import StreamConfig
from shared.connectors.json_http.positions import identity
from shared.connectors.json_http.trail import Memory
from shared.connectors.watermarks import CursorValue, read_value, write_value
from shared.domain.run import Reason
from shared.errors import PermanentError


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
        return {
            "of": of,
            "finished": False,
            "cap": self.cap.isoformat(),
            "start": None if self.start is None else write_value(self.start),
            "newest": None if self.newest is None else write_value(self.newest),
            "is_sorted": self.is_sorted,
            "delta": self.delta,
            "company": self.company,
            "link": self.link,
            "memory": self.memory,
            "has_restarted": self.has_restarted,
        }

    @classmethod
    def read(cls, position: Mapping[str, Any]) -> Self:
        """Return what `position` wrote; raise `KeyError`, `TypeError` or `ValueError`."""
        return cls(
            cap=datetime.fromisoformat(position["cap"]),
            start=_cursor_value(position["start"]),
            newest=_cursor_value(position["newest"]),
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


def _cursor_value(stored: Mapping[str, str] | None) -> CursorValue | None:
    # Only values of cursors are written.
    return None if stored is None else cast("CursorValue", read_value(stored))
