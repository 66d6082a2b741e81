"""What a connector type is, and what passes between it and the worker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel

from shared.egress.guard import Guard
from shared.egress.lines import Lines


@dataclass(frozen=True, slots=True)
class Watermark:
    """Where the next incremental sync of one stream starts.

    `value` is JSON: `{"type": "int" | "float" | "decimal" | "str" | "date" | "datetime",
    "value": "..."}`, so that it survives the way through the database exactly.
    """

    stream: str
    cursor: str
    value: Mapping[str, str]


Position = Mapping[str, object]
"""Where a slice stopped within one stream: JSON that only the connector type reads."""

HasTime = Callable[[], bool]
"""Tells whether the slice may go on reading; raises `LeaseLostError` when the lease is gone.

Called in the thread of `sync` between pages, so it must be cheap: it asks no database.
"""


def always_has_time() -> bool:
    """Let a slice last as long as its source."""
    return True


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """One slice of a run, as a connector type sees it.

    `config` is validated and holds its secrets; `watermarks` are by stream; `dataset_url` is in
    libpq form; `dataset_name` is the schema that belongs to the connector alone, lower-case words
    joined by underscores, at most 50 characters; `<dataset_name>_staging` is used beside it.

    `positions` is what the slice before of the same run left, by stream; empty in the first. Once
    `has_time` says no, the type stops at its next page, loads what it read, and returns positions.

    Whatever host `config` names is reached through `guard`, and every connection that the type
    opens is one of `lines`, so that the sync ends when the run is not its worker's any more,
    whatever it waits for then.
    """

    run_id: UUID
    connector_id: UUID
    config: BaseModel
    watermarks: Mapping[str, Watermark]
    dataset_url: str = field(repr=False)
    dataset_name: str
    positions: Mapping[str, Position] = field(default_factory=dict[str, Position])
    has_time: HasTime = always_has_time
    guard: Guard = field(default_factory=Guard)
    lines: Lines = field(default_factory=Lines, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a slice moved: counts of records, new watermarks, and facts for `metadata`.

    With `positions` the source has more: the run goes on from them as another slice. Each slice has
    to get on: one that returns the positions and watermarks it was given ends its run.
    """

    records_processed: int
    records_created: int
    records_updated: int
    records_failed: int
    watermarks: tuple[Watermark, ...]
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    positions: Mapping[str, Position] | None = None


ConfirmLease = Callable[[], None]
"""Raises `LeaseLostError` unless the caller still holds its run.

Called in the thread of `sync`: right before a load, and within the transaction of each merge just
before it commits.
"""


class ConnectorType(Protocol):
    """The code that syncs one kind of system."""

    @property
    def slug(self) -> str:
        """The name of the type in configuration, API and URLs; also that of its folder."""
        ...

    @property
    def config_model(self) -> type[BaseModel]:
        """The schema of `SyncRequest.config`; importing it must not import dlt."""
        ...

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
        ...

    def warm_up(self) -> None:
        """Import what `sync` imports, so that a first sync does not wait for it."""
        ...
