"""Shapes of connectors, their types, checks, streams and watermarks."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, with_config
from typing_extensions import TypedDict

from shared.domain.fault import Fault
from shared.web.shapes.base import WHOLE, Json, NextCursor, Version


@with_config(WHOLE)
class ConnectorType(TypedDict):
    """What a connector can be of."""

    slug: str
    title: str
    description: str
    config_schema: Annotated[
        dict[str, Any], Field(description="JSON Schema of the config; secrets are writeOnly.")
    ]


@with_config(WHOLE)
class ConnectorTypes(TypedDict):
    """All connector types."""

    items: list[ConnectorType]
    next_cursor: None


@with_config(WHOLE)
class ConnectorDataset(TypedDict):
    """Where a connector's records land."""

    schema: str


@with_config(WHOLE)
class Connector(TypedDict):
    """A workspace's connection to one outside system."""

    id: UUID
    type: str
    name: str
    config: Json
    secrets_set: Annotated[
        list[str], Field(description="JSON pointers to the secrets of the config.")
    ]
    status: Literal["pending_authorization", "connected", "needs_reauthorization", "disabled"]
    health: Literal["unknown", "healthy", "unhealthy"]
    health_reason: str | None
    health_next_check_at: datetime | None
    dataset: ConnectorDataset
    version: Version
    created_at: datetime
    updated_at: datetime


@with_config(WHOLE)
class Connectors(TypedDict):
    """A page of connectors."""

    items: list[Connector]
    next_cursor: NextCursor


@with_config(WHOLE)
class CheckFinding(TypedDict):
    """What stands in the way of a connector."""

    stream: str | None
    code: str
    fault: Fault
    message: str
    is_transient: bool


@with_config(WHOLE)
class CheckReport(TypedDict):
    """What a check found."""

    ok: bool
    checked_at: datetime
    findings: list[CheckFinding]
    not_looked_at: Annotated[
        list[str], Field(description="Streams that there was no time for; then it is not ok.")
    ]


@with_config(WHOLE)
class SourceColumn(TypedDict):
    """A column that a source offers."""

    name: str
    type: str
    nullable: bool


@with_config(WHOLE)
class SourceStream(TypedDict):
    """A stream that a source offers."""

    name: str
    kind: str
    primary_key: list[str]
    cursors: list[str]
    columns: list[SourceColumn]
    settings: Json


@with_config(WHOLE)
class SourceStreams(TypedDict):
    """What a source offers."""

    items: list[SourceStream]
    truncated: Annotated[bool, Field(description="It offers more than is told.")]


@with_config(WHOLE)
class Authorization(TypedDict):
    """An authorization that waits for a person."""

    authorization_url: Annotated[
        str, Field(description="The provider's page; for the browser of who authorizes.")
    ]
    expires_at: datetime


@with_config(WHOLE)
class Watermark(TypedDict):
    """Where the next sync of a stream starts."""

    stream: str
    cursor: str
    type: str
    value: str
    updated_at: datetime
    run_id: UUID | None


@with_config(WHOLE)
class Watermarks(TypedDict):
    """Where the next sync of each stream starts."""

    items: list[Watermark]
