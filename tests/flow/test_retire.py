from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from shared.errors import TransientError
from shared.flow.attempt import AttemptResult, attempt_run
from shared.flow.schedules import Planner
from tests.factories import Tenant, at, events_of, make_schedule, make_tenant
from tests.flow.queues import PausedQueue
from tests.flow.retiring import (
    WAYS,
    Retire,
    disable,
    disable_schedule,
    ends,
    every_minute,
    remove,
    remove_schedule,
    runs_of,
    trigger,
)
from tests.flow.workers import Script, call_of, make_workshop, moved, tick


@pytest.mark.parametrize(("retire", "reason"), WAYS)
def test_what_waits_for_its_instant_or_its_place_ends(
    engine: Engine,
    paused: PausedQueue,
    script: Script,
    tenant: Tenant,
    planner: Planner,
    retire: Retire,
    reason: str,
) -> None:
    schedule = every_minute(engine, paused, tenant)
    before = runs_of(engine, schedule)

    retire(planner, tenant, schedule, "02:01:10")

    assert ends(engine, schedule) == [("cancelled", reason)] * 2
    assert events_of(engine, before[0]["id"])[-1] == "cancelled"
    workshop = make_workshop(engine, paused)
    for run in before:
        delivered = attempt_run(workshop, call_of(run), now=at("02:02"))
        assert delivered is AttemptResult.NOTHING_TO_DO
    assert script.requests == []


@pytest.mark.parametrize(("retire", "reason"), WAYS)
def test_a_worker_in_the_middle_of_a_run_stops_and_what_it_records_does_not_count(
    engine: Engine,
    paused: PausedQueue,
    script: Script,
    tenant: Tenant,
    planner: Planner,
    retire: Retire,
    reason: str,
) -> None:
    schedule = every_minute(engine, paused, tenant)
    first, _ = runs_of(engine, schedule)

    def work(*_: object) -> object:
        retire(planner, tenant, schedule, "02:01:10")
        return moved()

    script.behaviour = work
    result = attempt_run(make_workshop(engine, paused), call_of(first), now=at("02:01"))

    assert result is AttemptResult.LEASE_LOST
    after = runs_of(engine, schedule)[0]
    assert (after["status"], after["reason"]) == ("cancelled", reason)
    assert (after["duration_ms"], after["records_processed"]) == (10_000, None)


@pytest.mark.parametrize(("retire", "reason"), WAYS)
def test_a_run_that_waits_for_another_attempt_ends(
    engine: Engine,
    paused: PausedQueue,
    script: Script,
    tenant: Tenant,
    planner: Planner,
    retire: Retire,
    reason: str,
) -> None:
    schedule = every_minute(engine, paused, tenant)
    script.raises(TransientError("The source did not answer."))
    attempt_run(
        make_workshop(engine, paused), call_of(runs_of(engine, schedule)[0]), now=at("02:01")
    )

    retire(planner, tenant, schedule, "02:01:10")
    tick(engine, paused, at("02:01:20"))

    assert set(ends(engine, schedule)[:2]) == {("cancelled", reason)}
    with engine.connect() as connection:
        shown = connection.execute(text("SELECT last_run_status FROM sync_schedule")).scalars()
        assert "running" not in shown.all()


@pytest.mark.parametrize(("retire", "reason"), WAYS)
def test_the_places_that_it_leaves_go_to_others_of_the_workspace_at_once(
    engine: Engine,
    paused: PausedQueue,
    planner: Planner,
    retire: Retire,
    reason: str,
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=1)
    nightly = {"cron_expression": "0 2 * * *", "from_instant": at("01:00")}
    pair = [make_schedule(engine, tenant, **nightly) for _ in range(2)]
    tick(engine, paused, at("02:00"))
    holder, other = sorted(pair, key=lambda one: runs_of(engine, one)[0]["admitted_at"] is None)

    retire(planner, tenant, holder, "02:00:05")

    assert ends(engine, holder) == [("cancelled", reason)]
    [waiting] = runs_of(engine, other)
    assert waiting["cloud_task_id"] in {task.name for task in paused.tasks()}


@pytest.mark.parametrize(
    ("retire", "end"),
    [
        pytest.param(disable_schedule, ("scheduled", None), id="schedule disabled"),
        pytest.param(remove_schedule, ("cancelled", "schedule_deleted"), id="schedule deleted"),
        pytest.param(disable, ("cancelled", "connector_disabled"), id="connector disabled"),
        pytest.param(remove, ("cancelled", "connector_deleted"), id="connector deleted"),
    ],
)
def test_a_manual_run_that_waits_goes_on_only_where_the_schedule_is_merely_disabled(
    engine: Engine,
    paused: PausedQueue,
    tenant: Tenant,
    planner: Planner,
    retire: Retire,
    end: tuple[str, str | None],
) -> None:
    schedule = make_schedule(engine, tenant, frequency="manual", cron_expression=None)
    trigger(engine, paused, tenant, schedule)

    retire(planner, tenant, schedule, "02:01")

    assert ends(engine, schedule) == [end]


def test_the_runs_of_other_connectors_go_on(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    retired, other = (every_minute(engine, paused, tenant) for _ in range(2))

    remove(planner, tenant, retired, "02:01:10")
    tick(engine, paused, at("02:01:10") + timedelta(seconds=10))

    assert {status for status, _ in ends(engine, other)} == {"scheduled"}
