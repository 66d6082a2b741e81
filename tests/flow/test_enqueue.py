"""What is written is told as done, whatever becomes of its task; a tick makes it later."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from google.api_core.exceptions import PermissionDenied
from sqlalchemy import Engine, text

from shared.clock import utc_now
from shared.domain.bulk import BulkAction, BulkResult
from shared.flow import enqueue
from shared.flow.bulk import Bulk, act_on_schedules
from shared.flow.patience import USUAL
from shared.flow.retry_run import retry_run
from shared.flow.schedules import Planner
from shared.flow.trigger import trigger_schedule
from shared.gcp.task_queue import CloudTasksQueue
from tests.factories import Tenant, make_schedule, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import tick

Start = Callable[[Planner, Tenant, UUID], UUID]


def trigger(planner: Planner, tenant: Tenant, schedule: UUID) -> UUID:
    row = trigger_schedule(planner.engine, planner.open_queue, tenant.principal, schedule)
    return row["public_id"]


def retry(planner: Planner, tenant: Tenant, schedule: UUID) -> UUID:
    first = trigger(planner, tenant, schedule)
    with planner.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workspace_connector_sync_log SET status = 'cancelled',"
                " reason = 'cancelled_by_user', completed_at = now()"
            )
        )
    return retry_run(planner.engine, planner.open_queue, tenant.principal, first)["public_id"]


def trigger_many(planner: Planner, tenant: Tenant, schedule: UUID) -> UUID:
    [item] = act_on_schedules(planner, tenant.principal, Bulk(BulkAction.TRIGGER), [schedule])
    assert item.result is BulkResult.DONE
    assert item.run is not None
    return item.run


@pytest.mark.parametrize("start", [trigger, retry, trigger_many])
def test_a_run_that_is_written_is_told_and_waits_for_a_tick_if_cloud_tasks_fails(
    engine: Engine,
    planner: Planner,
    paused: PausedQueue,
    tenant: Tenant,
    caplog: pytest.LogCaptureFixture,
    start: Start,
) -> None:
    def refuse() -> CloudTasksQueue:
        raise PermissionDenied("canary")

    schedule = make_schedule(engine, tenant, frequency="manual", cron_expression=None)
    with caplog.at_level(logging.ERROR):
        run = start(replace(planner, open_queue=refuse), tenant, schedule["public_id"])

    [*_, written] = runs_of(engine, schedule["id"])
    assert (written["workspace_connector_sync_log_id"], written["status"]) == (run, "scheduled")
    assert paused.tasks(paused.interactive) == []
    fields = [one.syncline_fields for one in caplog.records if one.name == enqueue.__name__]
    assert {(one["event"], one["workspace_id"]) for one in fields} == {
        ("enqueue_put_off", tenant.workspace_id)
    }
    assert "canary" not in str(fields)
    tick(engine, paused, utc_now() + USUAL.confirmation + timedelta(seconds=5))
    assert len(paused.tasks(paused.interactive)) == 1
