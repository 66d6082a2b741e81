"""A connector to files over its life, and files that it reads."""

import gzip
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from shared.connectors.base import (
    HasTime,
    Position,
    SourceAccess,
    SyncRequest,
    SyncResult,
    Watermark,
    always_has_time,
)
from shared.connectors.registry import connector_type
from shared.egress.files import FilesRoot
from shared.egress.guard import Guard
from tests.connectors.databases import DATASET, Postgres, hold_lease, never_has_time
from tests.loopback import LOOPBACK

_MOST_SLICES = 300
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Drop:
    """A connector that keeps watermarks and positions as the database does."""

    def __init__(
        self,
        config: Mapping[str, Any],
        dataset: Postgres | None = None,
        files: FilesRoot | None = None,
        guard: Guard = LOOPBACK,
    ) -> None:
        self.type = connector_type("cloud_storage")
        self.config = self.type.config_model.model_validate(config)
        self.dataset = dataset or Postgres("", "")
        self.files = files or FilesRoot()
        self.guard = guard
        self.connector_id: UUID = uuid4()
        self.watermarks: dict[str, Watermark] = {}
        self.landed: set[str] = set()
        self.positions: dict[str, Position] = {}

    @property
    def access(self) -> SourceAccess:
        return SourceAccess(config=self.config, guard=self.guard, files=self.files)

    def sync(self, has_time: HasTime = always_has_time) -> SyncResult:
        """Do the next slice, which is the first and last one while there is time."""
        request = SyncRequest(
            run_id=uuid4(),
            connector_id=self.connector_id,
            config=self.config,
            watermarks=dict(self.watermarks),
            dataset_url=self.dataset.dsn,
            dataset_name=DATASET,
            landed=frozenset(self.landed),
            positions=self.positions,
            has_time=has_time,
            guard=self.guard,
            files=self.files,
        )
        result = self.type.sync(request, hold_lease)
        self.watermarks |= {watermark.stream: watermark for watermark in result.watermarks}
        self.landed |= {name for name, table in result.finished.items() if table is not None}
        self.positions = json.loads(json.dumps(result.positions or {}))
        return result

    def sync_run(self, *, has_time: HasTime = always_has_time) -> list[SyncResult]:
        """Do a run to its end, in as many slices as it takes."""
        results = [self.sync(has_time)]
        while self.positions and results[-1].trouble is None:
            assert len(results) < _MOST_SLICES, "the slices do not get on"
            results.append(self.sync(has_time))
        return results

    def sync_in_slices(self) -> list[SyncResult]:
        """Do a run in slices of one page each."""
        return self.sync_run(has_time=never_has_time)

    def loaded(self, columns: str, table: str = "orders") -> list[tuple[Any, ...]]:
        return self.dataset.rows(f"SELECT {columns} FROM {DATASET}.{table} ORDER BY 1, 2")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the deployment, in which tests put files of known ages."""

    root: Path

    def put(self, path: str, content: bytes | str, minute: int = 0) -> Path:
        """Write a file that was modified so many minutes after noon."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        at = (NOON + timedelta(minutes=minute)).timestamp()
        os.utime(file, (at, at))
        return file

    def drop(self, dataset: Postgres | None = None, **stream: Any) -> Drop:
        """Return a connector with one stream, orders, of all CSV files unless told otherwise."""
        return Drop(folder_config(**stream), dataset, FilesRoot(self.root))


def stream_config(**stream: Any) -> dict[str, Any]:
    return {"name": "orders", "files": ["**"]} | stream


def folder_config(**stream: Any) -> dict[str, Any]:
    return {"url": "file:///", "streams": [stream_config(**stream)]}


def rows_csv(count: int, start: int = 1) -> str:
    lines = [f'{number},"name {number}",{number * 1.5}' for number in range(start, start + count)]
    return "\n".join(["id,name,amount", *lines, ""])


def packed(text: str) -> bytes:
    return gzip.compress(text.encode())


def counts(result: SyncResult) -> tuple[int, int, int]:
    """Return (processed, created, updated)."""
    return (result.records_processed, result.records_created, result.records_updated)


def metadata(result: SyncResult) -> Mapping[str, Any]:
    return result.metadata
