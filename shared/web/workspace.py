"""/api/v2/workspace: its settings and their limits, and how it is."""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.flow.health import WorkspaceHealth, health_of
from shared.flow.workspace_settings import bounds_of, change_settings
from shared.store.engine import single_statements
from shared.store.health import MOST_COUNTED
from shared.store.rows import Row
from shared.store.workspace_settings import find_settings
from shared.web.auth import principal, wiring
from shared.web.bodies import Body, Name
from shared.web.etags import premise, version_in
from shared.web.operations import Answers, Takes
from shared.web.present import instant
from shared.web.routes import Routes
from shared.web.shapes.workspace import Workspace, WorkspaceHealthAnswer

routes = Routes("workspace", "/api/v2", tag="Workspace", changes=ObjectKind.WORKSPACE)

Whole = Annotated[int, Field(strict=True)]


class WorkspaceChangesBody(Body):
    """Settings to change; what is left out stays as it is."""

    name: Name = ""
    timezone: Annotated[str, StringConstraints(min_length=1, max_length=64)] = ""
    max_concurrent_syncs: Whole = 1
    minimum_interval_seconds: Whole = 60
    manual_triggers_per_minute: Whole = 60
    retention_days: Annotated[
        int,
        Field(
            strict=True, description="How far back exports of runs go; nothing is deleted by it."
        ),
    ] = 90


_ONE = Answers(HTTPStatus.OK, Workspace, version=version_in)


@routes.on("GET", "/workspace", "read_workspace", Role.VIEWER, _ONE)
def read() -> dict[str, Any]:
    """Read the settings of the workspace, and within which limits they may be set."""
    with single_statements(wiring().engine) as connection:
        return _present(find_settings(connection, principal().workspace_id))


@routes.on(
    "PATCH",
    "/workspace",
    "change_workspace",
    Role.ADMIN,
    _ONE,
    Takes(
        WorkspaceChangesBody,
        examples={"more room": {"max_concurrent_syncs": 10}},
        premise=True,
    ),
)
def change(body: WorkspaceChangesBody) -> dict[str, Any]:
    """Change settings of the workspace; the time zone is that of schedules to come."""
    parts = wiring()
    row = change_settings(
        parts.engine,
        parts.open_queue,
        principal(),
        body.model_dump(exclude_unset=True),
        bounds_of(parts.settings.max_concurrent_syncs),
        premise=premise(),
    )
    return _present(row)


@routes.on(
    "GET", "/health", "read_health", Role.VIEWER, Answers(HTTPStatus.OK, WorkspaceHealthAnswer)
)
def health() -> dict[str, Any]:
    """Tell what is late, stuck and unhealthy in the workspace, and how punctual it was."""
    return _present_health(health_of(wiring().engine, principal()))


def _present(row: Row) -> dict[str, Any]:
    bounds = bounds_of(wiring().settings.max_concurrent_syncs)
    return {
        "id": str(row["public_id"]),
        "slug": row["slug"],
        "name": row["name"],
        "timezone": row["timezone"],
        **{name: row[name] for name in bounds},
        "limits": {
            name: {"least": bound.least, "most": bound.most} for name, bound in bounds.items()
        },
        "version": row["version"],
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
    }


def _present_health(health: WorkspaceHealth) -> dict[str, Any]:
    figures = health.figures
    return {
        "as_of": instant(health.as_of),
        "last_tick_at": instant(figures["last_tick_at"]),
        "backlog": figures["backlog"],
        "oldest_overdue_at": instant(figures["oldest_overdue_at"]),
        "in_progress": figures["in_progress"],
        "stuck": figures["stuck"],
        "unread_changes": figures["unread_changes"],
        "oldest_unread_at": instant(figures["oldest_unread_at"]),
        "last_hour": {
            "started": figures["started"],
            "median_drift_ms": figures["median_drift_ms"],
            "max_drift_ms": figures["max_drift_ms"],
        },
        "unhealthy_connectors": {
            "count": figures["unhealthy_connectors"],
            "some": [
                {
                    "connector_id": str(row["public_id"]),
                    "connector_name": row["name"],
                    "reason": row["health_reason"],
                }
                for row in health.unhealthy
            ],
        },
        "counted_up_to": MOST_COUNTED,
    }
