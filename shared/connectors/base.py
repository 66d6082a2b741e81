"""What a connector type is, and what passes between it and the worker."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel

from shared.connectors.oauth_client import AccessToken, OAuthClient
from shared.egress.files import FilesRoot
from shared.egress.guard import Guard
from shared.egress.lines import Lines
from shared.errors import PermanentError, TransientError


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
"""Where a slice stopped within one stream: JSON that only the connector type reads.

The runner adds `landed` to that of a stream which has a table in the dataset by now.
"""

HasTime = Callable[[], bool]
"""Tells whether the slice may go on reading; raises `LeaseLostError` when the lease is gone.

Called in the thread of `sync` between pages, so it must be cheap: it asks no database.
"""


def always_has_time() -> bool:
    """Let a slice last as long as its source."""
    return True


MOST_STREAMS = 1_000
"""How many streams a source offers at most."""
MOST_COLUMNS = 20_000
"""How many columns they have at most, all together."""

_NAMES_OF_STREAMS = ("name", "table", "entity")
"""The fields that name a stream, in the types that have such a one."""


class ConnectorConfig(BaseModel):
    """What a workspace says about a connector: each type has a model of its own."""

    @classmethod
    def cursors_of(cls, plain: Mapping[str, Any]) -> Mapping[str, str | None]:
        """Return the streams that a stored config selects, by name, each with its cursor if any.

        `plain` is a config of this type, without its secrets.
        """
        raise NotImplementedError

    @classmethod
    def streams_of(cls, plain: Mapping[str, Any]) -> Mapping[str, object]:
        """Return what a stored config says of each stream that it selects, by name."""
        return {
            next(stream[part] for part in _NAMES_OF_STREAMS if part in stream): stream
            for stream in plain.get("streams", ())
        }

    @classmethod
    def connectors_of(cls, plain: Mapping[str, Any]) -> Mapping[str, UUID]:  # noqa: ARG003 (of a type that has none)
        """Return the other connectors whose datasets a stored config reads, by their places in it.

        They are of the same workspace, or it is not stored. A lease looks for one alone, and finds
        it at `dataset.connector_id`.
        """
        return {}

    @classmethod
    def needs_grant(cls, plain: Mapping[str, Any]) -> bool:  # noqa: ARG003 (of a type that has none)
        """Tell whether a stored config is of a connector that a person has to authorize."""
        return False

    def oauth_client(self) -> OAuthClient | None:
        """Return where a person authorizes the connector; None if nobody has to."""
        return None


@dataclass(frozen=True, slots=True)
class ReadableDataset:
    """The dataset of another connector of the workspace; `url` is in libpq form."""

    url: str = field(repr=False)
    schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAccess:
    """What it takes to reach a source.

    `config` is validated and holds its secrets. Whatever host it names is reached through `guard`,
    and every connection that the type opens is one of `lines`, so that another thread can end it,
    whatever it waits for then. Files of the deployment are found through `files`. `datasets` are
    those of `ConnectorConfig.connectors_of`, as far as they are the workspace's. `access_token` is
    of the grant of a connector that a person has authorized. Once `has_time` says no, a look begins
    with nothing more and tells what it has found; a sync loads what it read.
    """

    config: ConnectorConfig
    guard: Guard = field(default_factory=Guard)
    files: FilesRoot = field(default_factory=FilesRoot)
    lines: Lines = field(default_factory=Lines, repr=False, compare=False)
    datasets: Mapping[UUID, ReadableDataset] = field(default_factory=dict[UUID, ReadableDataset])
    has_time: HasTime = always_has_time
    access_token: AccessToken | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest(SourceAccess):
    """One slice of a run, as a connector type sees it.

    `watermarks` are by stream; `dataset_url` is in libpq form; `dataset_name` is the schema that
    belongs to the connector alone, lower-case words joined by underscores, at most 50 characters;
    `<dataset_name>_staging` is used beside it.

    `reader` is the role of the database that may read what is loaded, if it is there. `fence` is
    that of the lease, which only grows within the run.

    `period_at` is the nominal instant of the run, in the `timezone` of its schedule; of one
    `is_by_hand`, which somebody asked for and no schedule named, it is that of the asking.

    `landed` are those streams with a watermark of which earlier runs have brought a record, so that
    there was a table: behind their watermarks it is not made again.

    `positions` is what earlier slices of the same run left, by stream; empty in the first. Once
    `has_time` says no, the type stops at its next page, loads what it read, and returns positions.
    """

    run_id: UUID
    connector_id: UUID
    workspace_id: UUID | None = None
    watermarks: Mapping[str, Watermark]
    dataset_url: str = field(repr=False)
    dataset_name: str
    reader: str | None = None
    fence: int = 0
    period_at: datetime | None = None
    is_by_hand: bool = False
    timezone: str = "UTC"
    landed: frozenset[str] = frozenset()
    positions: Mapping[str, Position] = field(default_factory=dict[str, Position])


@dataclass(frozen=True, slots=True)
class StreamFailure:
    """A stream that could not be synced, while at least one other of its run could."""

    stream: str
    error: TransientError | PermanentError


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a slice moved: counts of records, new watermarks, and facts for `metadata`.

    With `positions` there is more to do: the run goes on from them as another slice, at once or, if
    there is trouble that it has to wait out, as another attempt. Each slice has to get on: one that
    returns the positions and watermarks it was given ends its run. `failures` are of streams that
    this run leaves as they are, or tries again after the wait; `finished` are the streams that came
    to their end in this slice, each with the name of its table in the dataset, None if nothing of
    it has landed there as far as the slice knows. A watermark is of a stream that has a table.
    """

    records_processed: int
    records_created: int
    records_updated: int
    records_failed: int
    watermarks: tuple[Watermark, ...]
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    positions: Mapping[str, Position] | None = None
    trouble: TransientError | None = None
    failures: tuple[StreamFailure, ...] = ()
    finished: Mapping[str, str | None] = field(default_factory=dict[str, str | None])


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of a stream, with its type as the source names it."""

    name: str
    type: str
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class SourceStream:
    """A stream that a source offers.

    `settings` is what selects it: an element of the config's `streams`, with the primary key and
    the best of `cursors`, which are the columns that may grow with every change, likely ones first.
    """

    name: str
    kind: str
    primary_key: tuple[str, ...]
    cursors: tuple[str, ...]
    columns: tuple[SourceColumn, ...]
    settings: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Offer:
    """The streams that a source offers, by name.

    One that `is_truncated` leaves some out: there are more than `MOST_STREAMS`, or there was no
    time to see them all.
    """

    streams: Sequence[SourceStream]
    is_truncated: bool = False

    def __iter__(self) -> Iterator[SourceStream]:
        return iter(self.streams)

    def __len__(self) -> int:
        return len(self.streams)


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
    def config_model(self) -> type[ConnectorConfig]:
        """The schema of `SyncRequest.config`; importing it must not import dlt."""
        ...

    def check(self, access: SourceAccess) -> Sequence[StreamFailure]:
        """Prove cheaply that the config works; return what is wrong with single streams.

        A stream that there was no time for is a failure with the fault `not_looked_at`. Raises
        `TransientError` or `PermanentError`, with a `fault`, if nothing can be synced.
        """
        ...

    def streams(self, access: SourceAccess) -> Offer:
        """Return what the source offers; raise `TransientError` or `PermanentError`."""
        ...

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
        ...

    def warm_up(self) -> None:
        """Import what `sync` imports, so that a first sync does not wait for it."""
        ...
