"""A worker under test, and a connector type that does what a test says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import ConfigDict, SecretStr
from sqlalchemy import Engine, text

from shared.connectors.base import (
    ConfirmLease,
    ConnectorConfig,
    Offer,
    SourceAccess,
    SourceStream,
    StreamFailure,
    SyncRequest,
    SyncResult,
    Watermark,
)
from shared.domain.task import TaskCall
from shared.flow import sources
from shared.flow.attempt import Workshop
from shared.flow.tick import run_tick
from shared.store.rows import Row
from tests.factories import Tenant, at, make_connector, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue

LEASE = timedelta(seconds=90)


class ScriptedConfig(ConnectorConfig):
    """Takes whatever a stored config holds."""

    model_config = ConfigDict(extra="allow")
    password: SecretStr | None = None

    @classmethod
    def cursors_of(cls, plain: Mapping[str, Any]) -> Mapping[str, str | None]:
        """Return the cursors of the streams, as the type database has them."""
        return {stream["table"]: stream.get("cursor") for stream in plain["streams"]}


def moved(*, processed: int = 3, failed: int = 0, cursor: str = "7") -> SyncResult:
    """Return the result of a sync that moved some records."""
    mark = Watermark("flight", "updated_at", {"type": "int", "value": cursor})
    return SyncResult(processed, processed, 0, failed, (mark,), {"pages_fetched": 1})


@dataclass
class Script:
    """What the connector does next, and what it was asked."""

    behaviour: Callable[[SyncRequest, ConfirmLease], SyncResult] = lambda *_: moved()
    requests: list[SyncRequest] = field(default_factory=list)
    slug: str = "database"
    config_model: type[ConnectorConfig] = ScriptedConfig

    finds: Callable[[SourceAccess], Sequence[StreamFailure]] = lambda _access: ()
    offers: Sequence[SourceStream] = ()

    def check(self, access: SourceAccess) -> Sequence[StreamFailure]:
        """Find what the test says."""
        return self.finds(access)

    def streams(self, access: SourceAccess) -> Offer:
        """Offer what the test says, if the source lets us in."""
        self.finds(access)
        return Offer(self.offers)

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Do what the test says."""
        self.requests.append(request)
        return self.behaviour(request, confirm_lease)

    def raises(self, error: Exception) -> None:
        """Let the next syncs raise an error."""

        def behave(_request: SyncRequest, _confirm: ConfirmLease) -> SyncResult:
            raise error

        self.behaviour = behave


def install(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every connector type be the script."""
    monkeypatch.setattr(sources, "connector_type", lambda _slug: script)


def make_workshop(engine: Engine, paused: PausedQueue, lease: timedelta = LEASE) -> Workshop:
    """Return what a worker works with."""
    return Workshop(engine, paused.queue, None, "postgresql://nobody@127.0.0.1:1/none", lease)


def public_id(run: Row) -> UUID:
    """Return the id by which the outside knows a run."""
    return run["workspace_connector_sync_log_id"]


def call_of(run: Row) -> TaskCall:
    """Return what a task of a run says, whatever the run's generation."""
    return TaskCall(public_id(run))


def watermark_of(engine: Engine, connector_id: int) -> str | None:
    """Return the stored cursor value of the stream `flight`."""
    with engine.connect() as connection:
        query = text("SELECT value ->> 'value' FROM sync_watermark WHERE connector_id = :id")
        return connection.execute(query, {"id": connector_id}).scalar_one_or_none()


def schedule_row(engine: Engine, schedule_id: int) -> dict:
    """Return a schedule as it is stored."""
    with engine.connect() as connection:
        query = text("SELECT * FROM sync_schedule WHERE id = :id")
        return dict(connection.execute(query, {"id": schedule_id}).mappings().one())


def fates(engine: Engine, schedule: Row) -> list[tuple[str, str, str | None]]:
    """Return the period, status and reason of each run of a schedule, oldest period first."""
    return [
        (f"{run['period_at']:%H:%M}", run["status"], run["reason"])
        for run in runs_of(engine, schedule["id"])
    ]


def start_all_at(engine: Engine, start: datetime) -> None:
    """Let every run start at an instant, as if its spread said so."""
    with engine.begin() as connection:
        query = text("UPDATE workspace_connector_sync_log SET not_before_at = :start")
        connection.execute(query, {"start": start})


def due_run(engine: Engine, paused: PausedQueue, **schedule: object) -> tuple[Row, Row]:
    """Return a schedule and its run of 02:00, enqueued."""
    wanted = {"cron_expression": "0 2 * * *", **schedule}
    tenant = wanted.pop("tenant", None) or make_tenant(engine)
    row = make_schedule(engine, tenant, from_instant=at("01:00"), **wanted)
    tick(engine, paused, at("01:59"))
    [run] = runs_of(engine, row["id"])
    return row, run


def tick(engine: Engine, paused: PausedQueue, now: datetime) -> None:
    look_ahead, budget = timedelta(seconds=90), timedelta(seconds=45)
    run_tick(engine, paused.queue, look_ahead=look_ahead, budget=budget, now=now)


def quiet_connector(engine: Engine, tenant: Tenant, due: str = "01:00") -> Row:
    """Return a connector whose look is due."""
    connector = make_connector(engine, tenant)
    with engine.begin() as connection:
        query = text("UPDATE workspace_connector SET health_next_check_at = :at WHERE id = :id")
        connection.execute(query, {"at": at(due), "id": connector["id"]})
    return connector
