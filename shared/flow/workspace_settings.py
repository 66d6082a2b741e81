"""What admins set of their workspace, within the bounds of the deployment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from shared.domain.access import Principal
from shared.domain.local_time import load_zone
from shared.errors import InvalidInputError, Problem
from shared.flow.audit import append_change, workspace_change
from shared.flow.enqueue import enqueue_workspace
from shared.flow.premises import Premise, any_state
from shared.store.rows import Row
from shared.store.ticks import as_of
from shared.store.workspace_settings import find_settings, update_settings
from shared.store.workspaces import lock_workspace

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

MAX_MINIMUM_INTERVAL_SECONDS = 86_400
MAX_RETENTION_DAYS = 3_650
MAX_TRIGGERS_PER_MINUTE = 10_000


@dataclass(frozen=True, slots=True)
class Bound:
    """The least and the most that a setting may be."""

    least: int
    most: int


def bounds_of(max_concurrent_syncs: int) -> Mapping[str, Bound]:
    """Return the bounds of the settings that are numbers, by their names.

    `max_concurrent_syncs` is the most that the deployment allows a workspace.
    """
    return {
        "max_concurrent_syncs": Bound(1, max_concurrent_syncs),
        "minimum_interval_seconds": Bound(60, MAX_MINIMUM_INTERVAL_SECONDS),
        "manual_triggers_per_minute": Bound(1, MAX_TRIGGERS_PER_MINUTE),
        "retention_days": Bound(1, MAX_RETENTION_DAYS),
    }


def change_settings(
    engine: Engine,
    open_queue: "Callable[[], CloudTasksQueue]",
    principal: Principal,
    changes: Mapping[str, Any],
    bounds: Mapping[str, Bound],
    *,
    premise: Premise = any_state,
) -> Row:
    """Change some settings of the caller's workspace, by the names of their columns.

    A new time zone is that of schedules to come, a new minimum interval is asked of changes to
    come: those that are there stay. More room is given to runs that wait at once. Raises
    `InvalidInputError` for a number beyond its bounds, `RecurrenceError` for an unknown zone, or
    what `premise` raises.
    """
    _require_within(changes, bounds)
    if "timezone" in changes:
        load_zone(changes["timezone"])
    with engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        before = find_settings(connection, principal.workspace_id)
        premise(before)
        touched = {name: value for name, value in changes.items() if before[name] != value}
        row = before
        if touched:
            row = update_settings(connection, principal.workspace_id, touched)
        now = as_of(connection, None)
        change = workspace_change("change_workspace", before, row, touched)
        append_change(connection, principal, change)
    if row["max_concurrent_syncs"] > before["max_concurrent_syncs"]:
        enqueue_workspace(engine, open_queue, principal.workspace_id, now=now, horizon=now)
    return row


def _require_within(changes: Mapping[str, Any], bounds: Mapping[str, Bound]) -> None:
    beyond = [
        Problem(
            name,
            f"{name}_range",
            f"it is not {bound.least} to {bound.most}",
            f"Use a whole number from {bound.least} to {bound.most}.",
        )
        for name, bound in bounds.items()
        if name in changes and not bound.least <= changes[name] <= bound.most
    ]
    if beyond:
        raise InvalidInputError(*beyond)
