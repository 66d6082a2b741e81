"""What a connector type is, and what passes between it and the worker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Watermark:
    """Where the next incremental sync of one stream starts.

    `value` is JSON: `{"type": "int" | "float" | "decimal" | "str" | "date" | "datetime",
    "value": "..."}`, so that it survives the way through the database exactly.
    """

    stream: str
    cursor: str
    value: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """One run, as a connector type sees it.

    `config` is validated and holds its secrets; `watermarks` are by stream; `dataset_url` is in
    libpq form; `dataset_name` is the schema that belongs to the connector alone, lower-case words
    joined by underscores, at most 50 characters; `<dataset_name>_staging` is used beside it.
    """

    run_id: UUID
    connector_id: UUID
    config: BaseModel
    watermarks: Mapping[str, Watermark]
    dataset_url: str = field(repr=False)
    dataset_name: str


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a run moved: counts of records, new watermarks, and facts for `metadata`."""

    records_processed: int
    records_created: int
    records_updated: int
    records_failed: int
    watermarks: tuple[Watermark, ...]
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])


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
