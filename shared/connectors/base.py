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
    """One run, as a connector type sees it. `config` is validated and holds its secrets."""

    run_id: UUID
    connector_id: UUID
    config: BaseModel
    watermarks: Mapping[str, Watermark]
    dataset_url: str
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
"""Raises `LeaseLostError` unless the caller still holds its run; called right before each load."""


class ConnectorType(Protocol):
    """The code that syncs one kind of system."""

    slug: str
    config_model: type[BaseModel]

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
        ...
