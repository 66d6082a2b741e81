"""A run that ended without success is repeated by another, about the same instant."""

from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from shared.errors import BusyError, ConflictError, NotFoundError, PermanentError
from shared.flow.attempt import attempt_run
from shared.flow.manual_runs import RunActiveError
from shared.flow.retire import delete_connector, delete_schedule
from shared.flow.retry_run import NotRepeatableError, retry_run
from shared.flow.schedules import Planner
from shared.store.rows import Row
from tests.factories import Tenant, at, events_of, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script, call_of, due_run, make_workshop, moved, public_id


@pytest.fixture
def failed(engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant) -> tuple[Row, Row]:
    """Return a schedule and its run of 02:00, which failed."""
    schedule, run = due_run(engine, paused, tenant=tenant)
    script.raises(PermanentError("The table is gone."))
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))
    return schedule, run


def retry(engine: Engine, paused: PausedQueue, tenant: Tenant, run: Row) -> Row:
    return retry_run(engine, lambda: paused.queue, tenant.principal, public_id(run))


def test_a_retry_is_a_manual_run_about_the_same_period(
    engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant, failed: tuple[Row, Row]
) -> None:
    schedule, run = failed

    shown = retry(engine, paused, tenant, run)

    assert (shown["trigger_type"], shown["status"]) == ("manual", "scheduled")
    assert shown["retry_of_public_id"] == public_id(run)
    assert events_of(engine, run["id"])[-1] == "retried"
    script.behaviour = lambda *_: moved()
    [_, again] = runs_of(engine, schedule["id"])
    attempt_run(make_workshop(engine, paused), call_of(again))
    assert script.requests[-1].period_at == at("02:00")
    assert [one["status"] for one in runs_of(engine, schedule["id"])] == ["error", "success"]


def test_the_retry_of_a_retry_is_about_the_first_ones_period(
    engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant, failed: tuple[Row, Row]
) -> None:
    schedule, run = failed
    retry(engine, paused, tenant, run)
    [_, second] = runs_of(engine, schedule["id"])
    attempt_run(make_workshop(engine, paused), call_of(second))

    retry(engine, paused, tenant, second)

    third = runs_of(engine, schedule["id"])[-1]
    assert (third["nominal_at"], third["retry_of"]) == (at("02:00"), second["id"])


def test_what_is_active_stands_in_the_way_of_a_second_retry(
    engine: Engine, paused: PausedQueue, tenant: Tenant, failed: tuple[Row, Row]
) -> None:
    _, run = failed
    first = retry(engine, paused, tenant, run)
    with pytest.raises(RunActiveError) as caught:
        retry(engine, paused, tenant, run)
    assert caught.value.run == first["public_id"]


def test_a_repeated_request_gives_the_same_run(
    engine: Engine, paused: PausedQueue, tenant: Tenant, failed: tuple[Row, Row]
) -> None:
    _, run = failed
    made = uuid4()
    shown = [
        retry_run(engine, lambda: paused.queue, tenant.principal, public_id(run), public_id=made)[
            "public_id"
        ]
        for _ in range(2)
    ]
    assert shown == [made, made]


@pytest.mark.parametrize("status", ["scheduled", "success"])
def test_a_run_that_succeeded_or_goes_on_is_not_retried(
    engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant, status: str
) -> None:
    _, run = due_run(engine, paused, tenant=tenant)
    if status == "success":
        attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))
    with pytest.raises(NotRepeatableError) as caught:
        retry(engine, paused, tenant, run)
    assert caught.value.status == status


def test_a_run_of_a_deleted_schedule_can_be_retried_and_one_of_a_deleted_connector_cannot(
    engine: Engine, paused: PausedQueue, planner: Planner, tenant: Tenant, failed: tuple[Row, Row]
) -> None:
    schedule, run = failed
    delete_schedule(planner, tenant.principal, schedule["public_id"])

    shown = retry(engine, paused, tenant, run)

    assert (shown["status"], shown["schedule_public_id"]) == ("scheduled", None)
    delete_connector(planner, tenant.principal, schedule["connector_public_id"])
    with pytest.raises(ConflictError, match="was deleted"):
        retry(engine, paused, tenant, run)


def test_a_retry_counts_against_the_rate_of_manual_triggers(
    engine: Engine, paused: PausedQueue, tenant: Tenant, failed: tuple[Row, Row]
) -> None:
    _, run = failed
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET manual_triggers_per_minute = 1"))
        connection.execute(
            text(
                "INSERT INTO trigger_allowance (workspace_id, spent_until)"
                " SELECT id, now() + interval '1 hour' FROM workspace"
            )
        )
    with pytest.raises(BusyError):
        retry(engine, paused, tenant, run)
    assert events_of(engine, run["id"])[-1] == "failed"


def test_nobody_retries_another_workspaces_run(
    engine: Engine, paused: PausedQueue, tenant: Tenant, failed: tuple[Row, Row]
) -> None:
    _, run = failed
    mallory = replace(tenant, principal=make_tenant(engine).principal)
    with pytest.raises(NotFoundError):
        retry(engine, paused, mallory, run)
