"""Shapes of datasets and of the reports that are made of them."""

from datetime import datetime
from uuid import UUID

from pydantic import with_config
from typing_extensions import TypedDict

from shared.domain.reporting import ReportState
from shared.web.shapes.base import WHOLE, NextCursor


@with_config(WHOLE)
class DatasetTable(TypedDict):
    """One table of a dataset."""

    name: str
    stream: str | None
    rows: int | None
    rows_are_estimated: bool
    size_bytes: int
    synced_at: datetime | None


@with_config(WHOLE)
class DatasetStream(TypedDict):
    """Until when a stream of a dataset is fresh."""

    stream: str
    table: str | None
    status: str
    fault: str | None
    error: str | None
    synced_at: datetime | None


@with_config(WHOLE)
class Dataset(TypedDict):
    """Where a connector's records are."""

    kind: str
    host: str | None
    port: int
    database: str | None
    schema: str
    tables: list[DatasetTable]
    streams: list[DatasetStream]
    rejected_records: int


@with_config(WHOLE)
class DatasetReader(TypedDict):
    """A login that reads all datasets of the workspace; its password is shown once."""

    kind: str
    host: str | None
    port: int
    database: str | None
    user: str
    password: str
    url: str


@with_config(WHOLE)
class Report(TypedDict):
    """A report that a connector sent, or a correction of it."""

    period: str
    correction: int
    idempotency_key: str
    endpoint: str | None
    state: ReportState
    requests: int
    row_count: int | None
    payload_sha256: str | None
    http_status: int | None
    receipt: str | None
    error: str | None
    run_id: UUID | None
    asked_by: str | None
    asked_why: str | None
    asked_at: datetime | None
    settled_as: str | None
    settled_by: str | None
    settled_why: str | None
    settled_at: datetime | None
    created_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None


@with_config(WHOLE)
class ReportActedOn(Report):
    """A report after an act, and the run that was started for it."""

    started_run_id: UUID | None


@with_config(WHOLE)
class Reports(TypedDict):
    """A page of reports."""

    items: list[Report]
    next_cursor: NextCursor
