"""A provider that asks to be left alone is asked by nobody, until the time is over."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from shared.errors import TransientError
from shared.flow.attempt import attempt_run
from shared.flow.schedules import Planner
from shared.flow.trigger import RunActiveError, trigger_schedule
from shared.store.rows import Row
from tests.factories import Tenant, at, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import (
    Script,
    call_of,
    fates,
    make_workshop,
    moved,
    public_id,
    tick,
)

ASKED = timedelta(minutes=30)


@pytest.fixture
def throttled(script: Script) -> Script:
    script.raises(TransientError("Too many.", code="rate_limited", retry_after=ASKED))
    return script


def every_ten_minutes(engine: Engine, tenant: Tenant, policy: str) -> Row:
    return make_schedule(
        engine,
        tenant,
        cron_expression="*/10 * * * *",
        from_instant=at("01:55"),
        overlap_policy=policy,
    )


def live(engine: Engine, paused: PausedQueue, schedule: Row, now: datetime) -> None:
    """Tick, and deliver every task whose time has come."""
    tick(engine, paused, now)
    workshop = make_workshop(engine, paused)
    for run in runs_of(engine, schedule["id"]):
        if run["status"] == "scheduled" and run["enqueued_at"] and run["not_before_at"] <= now:
            attempt_run(workshop, call_of(run), now=now)


@pytest.mark.parametrize("policy", ["skip", "queue_one"])
def test_no_period_calls_a_provider_within_the_time_that_it_asked_for(
    engine: Engine, paused: PausedQueue, throttled: Script, policy: str
) -> None:
    schedule = every_ten_minutes(engine, make_tenant(engine), policy)
    for minute in range(30):
        live(engine, paused, schedule, at(f"02:{minute:02d}:30"))
    assert len(throttled.requests) == 1

    throttled.behaviour = lambda *_: moved()
    for minute in range(30, 40):
        live(engine, paused, schedule, at(f"02:{minute:02d}:30"))

    first, *_ = fates(engine, schedule)
    assert first == ("02:00", "success", None)
    assert len(throttled.requests) > 1


def test_a_run_that_waits_for_its_connector_takes_no_place_meanwhile(
    engine: Engine, paused: PausedQueue, throttled: Script
) -> None:
    schedule = every_ten_minutes(engine, make_tenant(engine), "queue_one")
    for minute in (0, 10, 11, 12):
        live(engine, paused, schedule, at(f"02:{minute:02d}:30"))
    second = runs_of(engine, schedule["id"])[1]
    assert (second["status"], second["admitted_at"]) == ("scheduled", None)
    assert second["task_generation"] <= 1


def test_with_queue_one_a_single_period_waits_also_behind_ticks_that_come_late(
    engine: Engine, paused: PausedQueue, throttled: Script
) -> None:
    schedule = every_ten_minutes(engine, make_tenant(engine), "queue_one")
    for minute in (0, 15, 25):
        live(engine, paused, schedule, at(f"02:{minute:02d}:30"))

    due = [fate for fate in fates(engine, schedule) if "02:10" <= fate[0] <= "02:20"]

    assert due == [("02:10", "scheduled", None), ("02:20", "skipped", "overlap")]


@pytest.mark.parametrize(("policy", "waiting"), [("skip", 0), ("queue_one", 1)])
def test_in_a_full_workspace_no_more_wait_than_the_policy_says(
    engine: Engine, paused: PausedQueue, throttled: Script, policy: str, waiting: int
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=1)
    schedule = every_ten_minutes(engine, tenant, policy)
    live(engine, paused, schedule, at("02:00:30"))
    other = make_schedule(engine, tenant, cron_expression="1 2 * * *", from_instant=at("01:55"))
    tick(engine, paused, at("02:01"))
    [holder] = runs_of(engine, other["id"])

    def hold(*_: object) -> object:
        with engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE workspace_connector_sync_log SET lease_expires_at = :end"
                    " WHERE status = 'in_progress'"
                ),
                {"end": at("03:00")},
            )
        for minute in range(2, 30):
            tick(engine, paused, at(f"02:{minute:02d}:30"))
        return moved()

    throttled.behaviour = hold
    attempt_run(make_workshop(engine, paused), call_of(holder), now=at("02:01:01"))

    due = [fate[1:] for fate in fates(engine, schedule) if "02:10" <= fate[0] <= "02:20"]
    assert due.count(("scheduled", None)) == waiting
    assert due.count(("skipped", "overlap")) == 2 - waiting


def test_once_the_provider_asks_for_nothing_the_connector_is_free(
    engine: Engine, paused: PausedQueue, throttled: Script
) -> None:
    schedule = every_ten_minutes(engine, make_tenant(engine), "skip")
    live(engine, paused, schedule, at("02:00:30"))
    [first] = [run for run in runs_of(engine, schedule["id"]) if run["started_at"]]
    throttled.raises(TransientError("The source was away."))
    attempt_run(make_workshop(engine, paused), call_of(first), now=at("02:31"))
    [first] = [run for run in runs_of(engine, schedule["id"]) if run["id"] == first["id"]]
    assert (first["status"], first["connector_held_until"]) == ("scheduled", None)
    assert first["throttled_since"] is not None


def test_who_asks_for_a_run_meanwhile_is_told_of_the_one_that_waits(
    engine: Engine, paused: PausedQueue, planner: Planner, tenant: Tenant, throttled: Script
) -> None:
    # By the real clock, which is the one of triggers.
    schedule = make_schedule(engine, tenant, cron_expression="0 2 1 1 *")
    run = trigger_schedule(engine, lambda: paused.queue, tenant.principal, schedule["public_id"])
    [asked] = runs_of(engine, schedule["id"])
    attempt_run(make_workshop(engine, paused), call_of(asked))
    with pytest.raises(RunActiveError) as refused:
        trigger_schedule(engine, lambda: paused.queue, tenant.principal, schedule["public_id"])
    assert refused.value.run == public_id(asked) == run["public_id"]


def test_connectors_of_the_same_workspace_go_on(
    engine: Engine, paused: PausedQueue, throttled: Script
) -> None:
    tenant = make_tenant(engine)
    put_off = every_ten_minutes(engine, tenant, "skip")
    live(engine, paused, put_off, at("02:00:30"))
    throttled.behaviour = lambda *_: moved()
    other = every_ten_minutes(engine, tenant, "skip")
    live(engine, paused, other, at("02:10:30"))
    assert ("02:10", "success", None) in fates(engine, other)
