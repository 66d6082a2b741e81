"""Read a table slice by slice as a sync does, without loading it anywhere."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.connectors.base import HasTime, Position, Watermark
from shared.connectors.database.config import DatabaseConfig
from shared.connectors.slices import SliceTime, StreamTime
from shared.egress.files import FilesRoot
from shared.egress.lines import Lines
from tests.connectors.databases import never_has_time, orders
from tests.loopback import LOOPBACK

_MOST_SLICES = 100
Row = dict[str, Any]


@dataclass(slots=True)
class Reader:
    """One table over several slices and runs: it keeps watermark and position."""

    config: DatabaseConfig
    watermark: Watermark | None = None
    position: Position | None = None
    has_more: bool = False
    marks: list[str | None] = field(default_factory=list[str | None])
    """The text of the watermark after each slice."""
    files: FilesRoot = field(default_factory=FilesRoot)
    again: list[Row] = field(default_factory=list[Row])
    """Rows that the last slice read again, since it went on within their cursor value."""

    def read(self, has_time: HasTime = never_has_time) -> list[Row]:
        """Read the next slice of the run and return its new rows."""
        from shared.connectors.database.connection import SourceConnection  # noqa: PLC0415
        from shared.connectors.database.engine import source_engine  # noqa: PLC0415 (dlt is slow)
        from shared.connectors.database.source import table_stream  # noqa: PLC0415
        from shared.connectors.sandbox import shut_in  # noqa: PLC0415

        shut_in()
        (config,) = self.config.streams
        engine = source_engine(self.config, LOOPBACK, Lines(), self.files)
        source = SourceConnection(engine)
        position = None if self.position is None else json.loads(json.dumps(self.position))
        time = StreamTime(SliceTime(has_time))
        stream = table_stream(source, config, self.watermark, position, time)
        rows = [dict(row) for page in stream.pages for row in page]
        source.close()
        self.watermark = stream.progress.watermark() or self.watermark
        self.marks.append(None if self.watermark is None else self.watermark.value["value"])
        self.has_more = stream.progress.has_more
        self.position = stream.progress.position if self.has_more else None
        self.again = rows[stream.progress.records :]
        return rows[: stream.progress.records]

    def read_run(self) -> list[list[Row]]:
        """Read a run, or what is left of one, in slices of one page each."""
        slices = [self.read()]
        while self.has_more:
            assert len(slices) < _MOST_SLICES, "the slices do not get on"
            slices.append(self.read())
        return slices


def reader(url: str, **stream: Any) -> Reader:
    """Return a reader of the table orders; see `orders` for what `stream` may say."""
    return Reader(DatabaseConfig.model_validate(orders(url, **stream)))


def sizes(slices: Sequence[Sequence[Row]]) -> list[int]:
    """Return the number of rows of each slice."""
    return [len(rows) for rows in slices]


def values(slices: Sequence[Sequence[Mapping[str, Any]]], *columns: str) -> list[Any]:
    """Return one column of all rows in the order of their reading, or tuples of several."""
    rows = [tuple(row[column] for column in columns) for rows in slices for row in rows]
    return [row[0] for row in rows] if len(columns) == 1 else rows
