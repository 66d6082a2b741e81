"""Ways to end what a schedule has under way, and what became of the runs of its connector."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from shared.flow.retire import (
    delete_connector,
    delete_schedule,
    disable_connector,
    enable_connector,
)
from shared.flow.schedules import Planner, change_schedule
from shared.flow.trigger import trigger_schedule
from shared.store.rows import Row
from tests.factories import Tenant, at, make_schedule
from tests.flow.queues import PausedQueue
from tests.flow.workers import tick

Retire = Callable[[Planner, Tenant, Row, str], object]


def disable_schedule(planner: Planner, tenant: Tenant, schedule: Row, now: str) -> object:
    changes = {"is_enabled": False}
    return change_schedule(planner, tenant.principal, schedule["public_id"], changes, now=at(now))


def remove_schedule(planner: Planner, tenant: Tenant, schedule: Row, now: str) -> object:
    return delete_schedule(planner, tenant.principal, schedule["public_id"], now=at(now))


def disable(planner: Planner, tenant: Tenant, schedule: Row, now: str) -> Row:
    connector = schedule["connector_public_id"]
    return disable_connector(planner, tenant.principal, connector, now=at(now))


def enable(planner: Planner, tenant: Tenant, schedule: Row, now: str) -> Row:
    connector = schedule["connector_public_id"]
    return enable_connector(planner, tenant.principal, connector, now=at(now))


def remove(planner: Planner, tenant: Tenant, schedule: Row, now: str) -> object:
    connector = schedule["connector_public_id"]
    return delete_connector(planner, tenant.principal, connector, now=at(now))


WAYS = [
    pytest.param(disable_schedule, "schedule_disabled", id="schedule disabled"),
    pytest.param(remove_schedule, "schedule_deleted", id="schedule deleted"),
    pytest.param(disable, "connector_disabled", id="connector disabled"),
    pytest.param(remove, "connector_deleted", id="connector deleted"),
]
"""What ends the runs of a schedule, and the reason that they end with."""


def runs_of(engine: Engine, schedule: Row) -> list[Row]:
    """Return every run of a schedule's connector, whatever became of the schedule."""
    with engine.connect() as connection:
        query = text(
            "SELECT * FROM workspace_connector_sync_log WHERE connector_id = :id"
            " ORDER BY period_at NULLS LAST, id"
        )
        return list(connection.execute(query, {"id": schedule["connector_id"]}).mappings())


def ends(engine: Engine, schedule: Row) -> list[tuple[str, str | None]]:
    return [(run["status"], run["reason"]) for run in runs_of(engine, schedule)]


def every_minute(engine: Engine, paused: PausedQueue, tenant: Tenant) -> Row:
    """Return a schedule whose runs of 02:01 and 02:02 are planned and have their tasks."""
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:45"))
    return schedule


def trigger(engine: Engine, paused: PausedQueue, tenant: Tenant, schedule: Row) -> UUID:
    """Ask for a run by hand, due from the first instant of these tests on."""
    opened = lambda: paused.queue  # noqa: E731 (a name for what opens the queue)
    run = trigger_schedule(engine, opened, tenant.principal, schedule["public_id"])["public_id"]
    with engine.begin() as connection:
        query = text(
            "UPDATE workspace_connector_sync_log SET not_before_at = :at"
            " WHERE workspace_connector_sync_log_id = :run"
        )
        connection.execute(query, {"at": at("02:00"), "run": run})
    return run
