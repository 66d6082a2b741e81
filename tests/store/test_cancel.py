from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, Engine, text

from shared.domain.run import Reason, TriggerType
from shared.store.cancel import cancel_runs, unfinished_runs, unfinished_runs_of_workspace
from shared.store.rows import Row
from tests.factories import at, make_schedule, make_tenant
from tests.store.crowd import Crowd
from tests.store.test_plans import scans

WAITING = "'scheduled', NULL, NULL, NULL"
IN_PROGRESS = "'in_progress', now(), now(), now()"
ENDED = "'success', now(), now(), NULL"


def add_run(connection: Connection, schedule: Row, trigger: str, state: str) -> int:
    """Write a run of a schedule and return its key."""
    completed, duration = ("now()", "0") if state == ENDED else ("NULL", "NULL")
    query = text(
        "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, schedule_id,"
        " trigger_type, idempotency_key, period_at, not_before_at, status, admitted_at,"
        " started_at, lease_expires_at, completed_at, duration_ms)"
        " SELECT workspace_id, connector_id, id, :trigger, gen_random_uuid(),"
        f" CASE WHEN :trigger = 'cloud_task' THEN now() END, now(), {state}, {completed},"
        f" {duration} FROM sync_schedule WHERE id = :schedule RETURNING id"
    )
    values = {"trigger": trigger, "schedule": schedule["id"]}
    return connection.execute(query, values).scalar_one()


def test_the_unfinished_runs_of_a_connector_are_those_that_wait_or_are_in_progress(
    engine: Engine,
) -> None:
    tenant = make_tenant(engine)
    schedule, other = (make_schedule(engine, tenant) for _ in range(2))
    with engine.begin() as connection:
        wanted = [
            add_run(connection, schedule, "cloud_task", IN_PROGRESS),
            add_run(connection, schedule, "cloud_task", WAITING),
            add_run(connection, schedule, "manual", WAITING),
        ]
        add_run(connection, schedule, "cloud_task", ENDED)
        add_run(connection, other, "cloud_task", WAITING)

        def found(**which: object) -> Sequence[int]:
            return sorted(unfinished_runs(connection, schedule["connector_id"], **which))

        assert found() == found(schedule_id=schedule["id"]) == wanted
        assert found(spared=[TriggerType.MANUAL, TriggerType.OAUTH_CALLBACK]) == wanted[:2]
        assert found(schedule_id=other["id"]) == []


def test_a_workspaces_unfinished_runs_come_in_pages(engine: Engine) -> None:
    tenant = make_tenant(engine)
    schedule, other = (make_schedule(engine, tenant) for _ in range(2))
    stranger = make_schedule(engine, make_tenant(engine))
    with engine.begin() as connection:
        add_run(connection, schedule, "cloud_task", IN_PROGRESS)
        for one in (schedule, other, stranger):
            add_run(connection, one, "cloud_task", WAITING)
            add_run(connection, one, "cloud_task", ENDED)
        seen = []
        while ids := unfinished_runs_of_workspace(connection, tenant.workspace_id, page=2):
            seen.append(len(ids))
            cancel_runs(connection, ids, Reason.WORKSPACE_DISABLED, now=at("02:00"))
    assert seen == [2, 1]


def test_a_reason_that_no_started_run_is_cancelled_for_is_a_mistake(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(KeyError):
        cancel_runs(connection, [1], Reason.OVERLAP, now=at("02:00"))


PARAMETERS = {
    "cancel_runs": {
        "ids": [1, 2, 3],
        "reason": "cancelled_by_user",
        "sentence": "x",
        "detail": "{}",
        "now": "2020-01-01T00:00Z",
    },
    "lock_runs_in_progress": {"connector_ids": [7]},
    "unfinished_runs": {"connector_id": 7, "schedule_id": 7, "spared": ["manual"]},
    "unfinished_runs_of_workspace": {"workspace_id": 1, "page": 1000},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_ending_what_is_not_there_scans_no_table(crowd: Crowd, name: str) -> None:
    with crowd.api.connect() as connection:
        assert scans(connection, name, PARAMETERS[name]) == []
        connection.rollback()
