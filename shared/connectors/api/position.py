"""The position of a stream between two slices: JSON that says which page comes next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from shared.connectors.api.asks import Ask
from shared.connectors.api.config import ApiConfig
from shared.connectors.api.followed import PagePlace
from shared.connectors.api.stream_config import StreamConfig
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


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a slice stopped within a stream.

    `parent` are the fields that fill placeholders, of the parent whose page comes next. `newest` is
    the newest cursor value of all slices so far, `has_restarted` whether the source has refused a
    stored page in this run.
    """

    window: Window
    newest: CursorValue | None = None
    parent: tuple[Any, ...] | None = None
    place: PagePlace | None = None
    memory: Memory = field(default_factory=dict[str, Any])
    has_restarted: bool = False

    def position(self, identity: str) -> Position:
        """Return the stop as JSON."""
        place = self.place
        stop = {
            "window": [self.window.start, self.window.end, self.window.began],
            "newest": write_cursor(self.newest),
            "parent": None if self.parent is None else list(self.parent),
            "place": None
            if place is None
            else [place.ask.url, place.ask.params, place.ask.body, place.number],
            "memory": self.memory,
            "has_restarted": self.has_restarted,
        }
        return unfinished(identity, stop)

    @classmethod
    def read(cls, position: Mapping[str, Any]) -> Self:
        """Return what `position` wrote; raise `KeyError`, `TypeError` or `ValueError`."""
        parent, place = position["parent"], position["place"]
        return cls(
            window=Window(*position["window"]),
            newest=read_cursor(position["newest"]),
            parent=None if parent is None else tuple(parent),
            place=None if place is None else PagePlace(Ask(*place[:3]), place[3]),
            memory=position["memory"],
            has_restarted=position["has_restarted"],
        )


def identity_of(config: ApiConfig, stream: StreamConfig) -> str:
    """Return what a position is of: the settings of its stream, which hold no secret."""
    parent = None if stream.parent is None else config.stream(stream.parent.stream)
    parts: list[object] = [config.base_url, stream.model_dump(mode="json")]
    parts += [config.paging_of(one).model_dump(mode="json") for one in (stream, parent) if one]
    parts.append(None if parent is None else parent.model_dump(mode="json"))
    return identity(parts)
