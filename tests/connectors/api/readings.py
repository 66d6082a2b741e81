"""Read a stream slice by slice as a sync does, without loading it anywhere."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from shared.connectors.api.config import ApiConfig
from shared.connectors.base import (
    HasTime,
    Position,
    SourceAccess,
    SyncRequest,
    Watermark,
    always_has_time,
)
from shared.connectors.slices import SliceTime, StreamTime
from tests.connectors.api.server import RestServer
from tests.connectors.databases import never_has_time
from tests.loopback import LOOPBACK

NOW = datetime(2030, 1, 1, tzinfo=UTC)
Row = dict[str, Any]
_MOST_SLICES = 200

PAGINATIONS: dict[str, dict[str, Any]] = {
    "/plain": {"pagination": {"type": "none"}, "record_path": None},
    "/pages": {"pagination": {"type": "page_number", "size_parameter": "per_page", "size": 3}},
    "/offset": {"pagination": {"type": "offset", "limit": 3, "total_path": "meta.total"}},
    "/cursor": {
        "pagination": {
            "type": "cursor",
            "path": "meta.next",
            "size_parameter": "size",
            "size": 3,
        }
    },
    "/search": {
        "body": {"query": "all"},
        "parameters_in": "body",
        "pagination": {
            "type": "cursor",
            "path": "next",
            "parameter": "paging.cursor",
            "size_parameter": "paging.size",
            "size": 3,
        },
    },
    "/next_url": {
        "pagination": {
            "type": "next_url",
            "path": "links.next",
            "size_parameter": "size",
            "size": 3,
        }
    },
    "/link": {
        "pagination": {"type": "link_header", "size_parameter": "size", "size": 3},
        "record_path": None,
    },
}
"""By path of the server: the settings of a stream that reads it in pages of three."""

SINCE = {"field": "changed", "parameter": "since"}


def stream(path: str = "/wrapped", **settings: Any) -> dict[str, Any]:
    """Return the settings of the stream orders, which reads this path."""
    defaults = {"name": "orders", "path": path, "primary_key": ["id"], "record_path": "data"}
    return {**defaults, **PAGINATIONS.get(path, {}), **settings}


def api(server: RestServer, *streams: Mapping[str, Any], **settings: Any) -> ApiConfig:
    """Return the settings of a connector."""
    chosen = [dict(one) for one in streams] or [stream()]
    return ApiConfig.model_validate({"base_url": server.url, "streams": chosen, **settings})


def access(config: ApiConfig) -> SourceAccess:
    """Return what a look at a source takes."""
    return SourceAccess(config=config, guard=LOOPBACK)


def sync_request(config: ApiConfig, **settings: Any) -> SyncRequest:
    """Return a slice whose dataset is nowhere: only its source is looked at."""
    defaults = {
        "run_id": uuid4(),
        "connector_id": uuid4(),
        "watermarks": {},
        "dataset_url": "",
        "dataset_name": "dataset_shop",
    }
    return SyncRequest(config=config, **{"guard": LOOPBACK, **defaults, **settings})


@dataclass(slots=True)
class Reader:
    """One stream over several slices and runs: it keeps watermark and position."""

    config: ApiConfig
    name: str = "orders"
    watermark: Watermark | None = None
    position: Position | None = None
    has_more: bool = False
    now: datetime = NOW
    places: list[Position | None] = field(default_factory=list[Position | None])

    def read(self, has_time: HasTime = never_has_time) -> list[Row]:
        """Read the next slice of the run and return its records."""
        from shared.connectors.api.session import open_session  # noqa: PLC0415 (dlt is slow)
        from shared.connectors.api.source import api_stream  # noqa: PLC0415

        position = None if self.position is None else json.loads(json.dumps(self.position))
        time = StreamTime(SliceTime(has_time))
        with open_session(access(self.config)) as session:
            found = api_stream(
                session,
                self.config,
                self.config.stream(self.name),
                self.watermark,
                position,
                self.now,
                time,
            )
            rows = [row for page in found.pages for row in page]
        self.watermark = found.progress.watermark() or self.watermark
        self.has_more = found.progress.has_more
        self.position = found.progress.position if self.has_more else None
        self.places.append(self.position)
        return rows

    def read_whole(self) -> list[Row]:
        """Read a run in one slice."""
        return self.read(always_has_time)

    def read_run(self) -> list[list[Row]]:
        """Read a run, or what is left of one, in slices of one page each."""
        slices = [self.read()]
        while self.has_more:
            assert len(slices) < _MOST_SLICES, "the slices do not get on"
            slices.append(self.read())
        return slices


def ids(rows: Sequence[Row]) -> list[Any]:
    return [row["id"] for row in rows]
