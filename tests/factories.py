"""Rows with consistent defaults, made through the product's own flows where there is one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from shared.domain.access import Principal, Role
from shared.domain.audit import Actor, ActorKind
from shared.flow.connectors import create_connector
from shared.flow.manage import create_workspace
from shared.flow.schedules import Planner, ScheduleSettings, create_schedule
from shared.flow.workspaces import delete_workspace
from shared.gcp.task_queue import CloudTasksQueue
from shared.store.rows import Row

CONFIG = {
    "url": "postgresql://reader@127.0.0.1:1/source",
    "streams": [{"table": "flight", "cursor": "updated_at", "primary_key": ["flight_id"]}],
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace and somebody who may do everything in it."""

    workspace_id: int
    principal: Principal


def make_tenant(engine: Engine, *, max_concurrent_syncs: int = 1000) -> Tenant:
    """Create a workspace with room for `max_concurrent_syncs` runs, asked for at any rate."""
    slug = f"w-{uuid4().hex[:12]}"
    workspace_id = create_workspace(engine, slug=slug, name=slug, timezone="Europe/Oslo")
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workspace SET max_concurrent_syncs = :limit,"
                " manual_triggers_per_minute = 100000 WHERE id = :id"
            ),
            {"limit": max_concurrent_syncs, "id": workspace_id},
        )
    return Tenant(workspace_id, make_principal(workspace_id))


def make_principal(workspace_id: int, name: str = "somebody", role: Role = Role.ADMIN) -> Principal:
    """Return somebody of a workspace, who has no key there."""
    actor = Actor(ActorKind.API_KEY, name, uuid4())
    return Principal(workspace_id, "Europe/Oslo", 60, role, UUID(int=workspace_id), actor)


def give_key(engine: Engine, principal: Principal) -> Principal:
    """Give somebody the key with which they call, for flows that look whether it still holds."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO api_key (workspace_id, public_id, name, prefix, secret_hash, role)"
                " VALUES (:workspace, :id, :name, :prefix, decode(md5(:prefix), 'hex'), :role)"
            ),
            {
                "workspace": principal.workspace_id,
                "id": principal.actor.id,
                "name": principal.actor.name,
                "prefix": uuid4().hex[:12],
                "role": principal.role,
            },
        )
    return principal


def end_workspace(engine: Engine, workspace_id: int, *, now: datetime | None = None) -> int:
    """Delete a workspace of a deployment whose datasets are in its own database."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return delete_workspace(engine, workspace_id, url, now=now)


def make_connector(engine: Engine, tenant: Tenant, **values: Any) -> Row:
    """Create a connector of type database; nothing connects to it."""
    wanted = {"slug": "database", "name": f"c-{uuid4().hex[:8]}", "config": CONFIG, **values}
    return create_connector(engine, tenant.principal, None, **wanted)


def make_schedule(
    engine: Engine,
    tenant: Tenant,
    *,
    from_instant: datetime | None = None,
    connector: UUID | None = None,
    **values: Any,
) -> Row:
    """Create a schedule (every minute, unless told otherwise) whose mark is at `from_instant`."""
    wanted = {
        "name": "every minute",
        "description": None,
        "frequency": "custom",
        "timezone": "UTC",
        "preferred_time": None,
        "preferred_day_of_week": None,
        "preferred_day_of_month": None,
        "cron_expression": "* * * * *",
        "is_enabled": True,
        "overlap_policy": "skip",
        "missed_run_policy": "run_once",
        "catch_up_window_seconds": 86_400,
        "spread_seconds": 0,
        "max_attempts": 5,
        "blackout_policy": "skip",
        **values,
    }
    public_id = connector or make_connector(engine, tenant)["public_id"]
    planner = make_planner(engine, look_ahead=timedelta(0))
    row = create_schedule(planner, tenant.principal, public_id, ScheduleSettings(**wanted))
    if from_instant is not None and row["next_scheduled_at"] is not None:
        set_mark(engine, row["id"], from_instant)
    return row


def make_planner(
    engine: Engine,
    queue: CloudTasksQueue | None = None,
    *,
    look_ahead: timedelta = timedelta(seconds=90),
) -> Planner:
    """Return what changes of schedules work with; without a queue nothing may be planned."""

    def open_queue() -> CloudTasksQueue:
        assert queue is not None, "a run was planned, and there is no queue for its task"
        return queue

    return Planner(engine, open_queue, look_ahead)


def set_mark(engine: Engine, schedule_id: int, at: datetime) -> None:
    """Put a schedule's high-water mark at an instant, its next period a microsecond later."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE sync_schedule SET planned_through = :at,"
                " next_scheduled_at = CAST(:at AS timestamptz) + interval '1 microsecond'"
                " WHERE id = :id"
            ),
            {"at": at, "id": schedule_id},
        )


def runs_of(engine: Engine, schedule_id: int) -> list[Row]:
    """Return every run of a schedule, oldest period first."""
    with engine.connect() as connection:
        query = text(
            "SELECT * FROM workspace_connector_sync_log WHERE schedule_id = :id"
            " ORDER BY period_at NULLS LAST, id"
        )
        return list(connection.execute(query, {"id": schedule_id}).mappings())


def events_of(engine: Engine, run_id: int) -> list[str]:
    """Return the kinds of a run's events, in order."""
    with engine.connect() as connection:
        query = text("SELECT kind FROM sync_log_event WHERE run_id = :id ORDER BY id")
        return list(connection.execute(query, {"id": run_id}).scalars())


def at(clock: str, *, day: str = "2026-03-02") -> datetime:
    """Return an instant of a fixed day in UTC, from HH:MM or HH:MM:SS."""
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
