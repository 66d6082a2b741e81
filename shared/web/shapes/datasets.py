"""Shapes of datasets and of the reports that are made of them."""

from datetime import datetime
from typing import Annotated, Literal, NotRequired
from uuid import UUID

from pydantic import Field, with_config
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
    modified_at: datetime | None
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


class _Content(TypedDict):
    schema: str
    tables: list[DatasetTable]
    truncated: Annotated[bool, Field(description="There are more tables than are told.")]
    streams: list[DatasetStream]
    rejected_records: int
    rejected_records_are_estimated: bool


class _PostgresPlace(TypedDict):
    kind: Literal["postgresql"]
    host: str | None
    port: int | None
    database: str | None
    sslmode: str | None


@with_config(WHOLE)
class PostgresDataset(_PostgresPlace, _Content):
    """Where a connector's records are in PostgreSQL."""


@with_config(WHOLE)
class BigQueryDataset(_Content):
    """Where a connector's records are in BigQuery."""

    kind: Literal["bigquery"]
    project: str
    location: str


Dataset = Annotated[PostgresDataset | BigQueryDataset, Field(discriminator="kind")]


@with_config(WHOLE)
class DatasetReader(_PostgresPlace):
    """A login that reads all datasets of the workspace; its password is shown once."""

    user: str
    password: str
    url: str | None
    url_missing: NotRequired[Annotated[str, Field(description="Why there is no `url`.")]]


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
