"""People who cancel, disable, enable and delete while runs wait and are in progress."""

from collections.abc import Mapping
from contextlib import closing, suppress
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from shared.errors import NotFoundError
from shared.flow.cancel import cancel_run
from shared.flow.retire import (
    delete_connector,
    delete_schedule,
    disable_connector,
    enable_connector,
)
from shared.flow.schedules import change_schedule
from shared.flow.workspaces import disable_workspace, enable_workspace
from tests.faults.duties import DONE, REFUSALS, Duties
from tests.faults.scale import share
from tests.faults.world import World, open_world


class Act(StrEnum):
    """What somebody does to one connector, its schedule, its workspace or a run of it."""

    CANCEL = "cancel"
    DISABLE_CONNECTOR = "disable_connector"
    ENABLE_CONNECTOR = "enable_connector"
    DISABLE_SCHEDULE = "disable_schedule"
    ENABLE_SCHEDULE = "enable_schedule"
    DISABLE_WORKSPACE = "disable_workspace"
    ENABLE_WORKSPACE = "enable_workspace"
    DELETE_SCHEDULE = "delete_schedule"
    DELETE_CONNECTOR = "delete_connector"


_WEIGHTS: Mapping[Act, float] = {
    Act.CANCEL: 0.5,
    Act.DISABLE_CONNECTOR: 0.12,
    Act.ENABLE_CONNECTOR: 0.12,
    Act.DISABLE_SCHEDULE: 0.08,
    Act.ENABLE_SCHEDULE: 0.08,
    Act.DISABLE_WORKSPACE: 0.02,
    Act.ENABLE_WORKSPACE: 0.04,
    Act.DELETE_SCHEDULE: 0.02,
    Act.DELETE_CONNECTOR: 0.02,
}
"""They add up to one; what is large is rare, so that runs are left."""
_ACTIVE_RUN = """
SELECT CAST(r.workspace_connector_sync_log_id AS text), CAST(c.public_id AS text)
FROM workspace_connector_sync_log AS r
JOIN workspace_connector AS c ON c.id = r.connector_id
WHERE r.status IN ('scheduled', 'in_progress')
-- Whoever took a lease last is the least likely to be dead or done.
ORDER BY
    (r.status = 'in_progress') DESC,
    CASE WHEN r.status = 'in_progress' THEN r.leased_at END DESC,
    (c.public_id = %s) DESC,
    r.id
LIMIT 1
"""
_OWED = """
UPDATE fault_log.expected AS e SET until = least(e.until, clock_timestamp())
FROM sync_schedule AS s
JOIN workspace_connector AS c ON c.id = s.connector_id
WHERE e.schedule_id = s.id AND {whose} = %s
"""
_OWED_BY_CONNECTOR = _OWED.format(whose="CAST(c.public_id AS text)")
_OWED_BY_WORKSPACE = _OWED.format(whose="c.workspace_id")
_DISABLED_SCHEDULES = """
SELECT CAST(public_id AS text) FROM sync_schedule WHERE NOT is_enabled ORDER BY id
"""


def choose(seed: int, number: int) -> Act:
    """Return what the person with this number does."""
    left = share(seed, "act", number)
    for act, weight in _WEIGHTS.items():
        left -= weight
        if left < 0:
            return act
    return Act.CANCEL


def perform(duties: Duties, world: World, act: Act, place: int) -> int:
    """Do it to what is at a place of the world; that it is refused is an answer."""
    _note_what_is_owed(world, act, place)
    with suppress(*REFUSALS):
        _perform(duties, world, act, place)
    return DONE


def restore(duties: Duties, world: World) -> int:
    """Enable whatever is disabled; what was deleted is gone."""
    for workspace_id in sorted({owner.workspace_id for owner in world.owners}):
        enable_workspace(duties.desk, workspace_id)
    for owner, connector in zip(world.owners, world.connectors, strict=True):
        with suppress(NotFoundError):
            enable_connector(duties.planner(), owner, connector)
    disabled = {UUID(schedule) for (schedule,) in world.rows(_DISABLED_SCHEDULES)}
    for owner, schedule in zip(world.owners, world.schedules, strict=True):
        if schedule in disabled:
            with suppress(NotFoundError):  # its connector is gone, or it half is
                change_schedule(duties.planner(), owner, schedule, {"is_enabled": True})
    return DONE


def _note_what_is_owed(world: World, act: Act, place: int) -> None:
    """Note, before anything is done, that later periods need no rows."""
    match act:
        case Act.CANCEL | Act.ENABLE_CONNECTOR | Act.ENABLE_SCHEDULE | Act.ENABLE_WORKSPACE:
            return
        case Act.DISABLE_WORKSPACE:
            query, whose = _OWED_BY_WORKSPACE, world.owners[place].workspace_id
        case _:
            query, whose = _OWED_BY_CONNECTOR, str(world.connectors[place])
    with closing(open_world(world.dataset_url)) as connection, connection.cursor() as cursor:
        cursor.execute(query, (whose,))


def _cancel(duties: Duties, world: World, connector: UUID) -> None:
    """Cancel a run that is in progress, of whichever connector; else one of this connector."""
    for run, whose in world.rows(_ACTIVE_RUN, str(connector)):
        owner = world.owners[world.connectors.index(UUID(whose))]
        cancel_run(duties.desk, duties.open_queue, owner, UUID(run))


def _perform(duties: Duties, world: World, act: Act, place: int) -> None:  # noqa: C901 (a table)
    planner, owner = duties.planner(), world.owners[place]
    connector, schedule = world.connectors[place], world.schedules[place]
    match act:
        case Act.CANCEL:
            _cancel(duties, world, connector)
        case Act.DISABLE_CONNECTOR:
            disable_connector(planner, owner, connector)
        case Act.ENABLE_CONNECTOR:
            enable_connector(planner, owner, connector)
        case Act.DISABLE_SCHEDULE:
            change_schedule(planner, owner, schedule, {"is_enabled": False})
        case Act.ENABLE_SCHEDULE:
            change_schedule(planner, owner, schedule, {"is_enabled": True})
        case Act.DISABLE_WORKSPACE:
            disable_workspace(duties.desk, owner.workspace_id)
        case Act.ENABLE_WORKSPACE:
            enable_workspace(duties.desk, owner.workspace_id)
        case Act.DELETE_SCHEDULE:
            delete_schedule(planner, owner, schedule)
        case Act.DELETE_CONNECTOR:
            delete_connector(planner, owner, connector)
        case _:
            assert_never(act)
