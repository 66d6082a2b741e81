"""Which runs a request asks for: filters of lists and exports."""

import uuid
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.domain.instants import parse_instant
from shared.domain.run import RunStatus, TriggerType
from shared.domain.run_filter import RunFilter
from shared.web.log_places import LogCursor
from shared.web.queries import Instant, Limit, Query

_DEFAULT_LIMIT = 50


class HistoryQuery(Query):
    """Which runs of one schedule, and which page of them."""

    status: RunStatus | None = None
    reason: Annotated[str, StringConstraints(pattern="^[a-z_]{1,64}$")] | None = None
    trigger_type: TriggerType | None = None
    since: Annotated[Instant, Field(description="Written at this instant or later.")] | None = None
    until: Annotated[Instant, Field(description="Written before this instant.")] | None = None
    limit: Limit = _DEFAULT_LIMIT
    cursor: LogCursor | None = None


class RunsQuery(HistoryQuery):
    """Which runs of the workspace, and which page of them."""

    connector_id: uuid.UUID | None = None
    schedule_id: uuid.UUID | None = None


class ExportQuery(Query):
    """Which runs of the workspace, and in which form."""

    format: Annotated[
        Literal["csv", "jsonl"] | None,
        Field(description="What comes, whatever Accept says; without both, CSV."),
    ] = None
    status: RunStatus | None = None
    reason: Annotated[str, StringConstraints(pattern="^[a-z_]{1,64}$")] | None = None
    trigger_type: TriggerType | None = None
    since: Instant | None = None
    until: Instant | None = None
    connector_id: uuid.UUID | None = None
    schedule_id: uuid.UUID | None = None


def filter_of(query: HistoryQuery | ExportQuery, *, schedule: uuid.UUID | None = None) -> RunFilter:
    """Return the filter of a request; raise `InvalidInputError` for what is no instant."""
    has_more = isinstance(query, RunsQuery | ExportQuery)
    return RunFilter(
        status=query.status,
        reason=query.reason,
        trigger=query.trigger_type,
        connector=query.connector_id if has_more else None,
        schedule=query.schedule_id if has_more else schedule,
        since=None if query.since is None else parse_instant(query.since, "since"),
        until=None if query.until is None else parse_instant(query.until, "until"),
    )
