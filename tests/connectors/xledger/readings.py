"""Read a stream slice by slice as a sync does, and load it as one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from shared.connectors.base import (
    HasTime,
    Position,
    SourceAccess,
    SyncRequest,
    Watermark,
    always_has_time,
)
from shared.connectors.registry import connector_type
from shared.connectors.slices import SliceTime, StreamTime
from shared.connectors.xledger.config import XledgerConfig
from shared.egress.files import FilesRoot
from tests.connectors.databases import Postgres, Shop, never_has_time
from tests.connectors.xledger.server import TOKEN, GraphQlServer
from tests.loopback import LOOPBACK

NOW = datetime(2030, 1, 1, tzinfo=UTC)
Row = dict[str, Any]
_MOST_SLICES = 200


def stream(**settings: Any) -> dict[str, Any]:
    """Return the settings of the stream projects, which is read three nodes at a time."""
    return {
        "name": "projects",
        "fields": ["dbId", "code", "modifiedAt"],
        "page_size": 3,
        **settings,
    }


def xledger(server: GraphQlServer, *streams: Mapping[str, Any], **settings: Any) -> XledgerConfig:
    """Return the settings of a connector."""
    chosen = [dict(one) for one in streams] or [stream()]
    defaults = {"endpoint": server.url, "token": TOKEN, "requests_per_second": 1_000}
    return XledgerConfig.model_validate({**defaults, "streams": chosen, **settings})


def projects(count: int) -> list[Row]:
    return [
        {"dbId": number, "code": f"P{number}", "modifiedAt": f"2024-01-{number:02}T10:00:00"}
        for number in range(1, count + 1)
    ]


def access(config: XledgerConfig) -> SourceAccess:
    """Return what a look at a source takes."""
    return SourceAccess(config=config, guard=LOOPBACK)


def sync_request(config: XledgerConfig, **settings: Any) -> SyncRequest:
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

    config: XledgerConfig
    watermark: Watermark | None = None
    position: Position | None = None
    has_more: bool = False

    def read(self, has_time: HasTime = never_has_time) -> list[Row]:
        """Read the next slice of the run and return its records."""
        from shared.connectors.xledger.session import XledgerSession  # noqa: PLC0415 (dlt is slow)
        from shared.connectors.xledger.source import xledger_stream  # noqa: PLC0415

        position = None if self.position is None else json.loads(json.dumps(self.position))
        time = StreamTime(SliceTime(has_time))
        (chosen,) = self.config.streams
        with XledgerSession(access(self.config)) as session:
            found = xledger_stream(
                session, self.config, chosen, self.watermark, position, NOW, time
            )
            rows = [row for page in found.pages for row in page]
        self.watermark = found.progress.watermark() or self.watermark
        self.has_more = found.progress.has_more
        self.position = found.progress.position if self.has_more else None
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
    return [row["dbId"] for row in rows]


class XledgerShop(Shop):
    """A connector over its life: it keeps watermarks and positions as the database does."""

    def __init__(self, config: XledgerConfig, dataset: Postgres) -> None:
        self.type = connector_type("xledger")
        self.config = config
        self.dataset = dataset
        self.files = FilesRoot()
        self.connector_id: UUID = uuid4()
        self.watermarks: dict[str, Watermark] = {}
        self.landed: set[str] = set()
        self.positions: dict[str, Position] = {}
        self.run_id = uuid4()

    def request(self, has_time: HasTime = always_has_time) -> SyncRequest:
        if not self.positions:
            self.run_id = uuid4()
        return replace(super().request(has_time), run_id=self.run_id)

    def loaded(self, columns: str, table: str = "projects") -> list[tuple[Any, ...]]:
        return super().loaded(columns, table)
