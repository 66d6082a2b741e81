import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from shared.domain.task import TaskCall
from shared.errors import NotFoundError, RecurrenceError
from shared.flow.decide import decide_all
from shared.flow.schedules import Planner, change_schedule
from shared.store.attempts import lease_run
from shared.store.rows import Row
from shared.store.schedules import lock_due_schedules, write_plans
from shared.store.violations import violation_of
from shared.store.workspaces import lock_workspace
from tests.factories import (
    Tenant,
    at,
    events_of,
    make_schedule,
    make_tenant,
    runs_of,
    set_mark,
)
from tests.flow.queues import PausedQueue
from tests.flow.workers import fates, schedule_row, start_all_at, tick


def change(
    planner: Planner, tenant: Tenant, schedule: Row, now: datetime, **changes: object
) -> Row:
    return change_schedule(planner, tenant.principal, schedule["public_id"], changes, now=now)


def test_an_edit_cancels_what_was_planned_ahead_and_plans_from_now(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    tick(engine, paused, at("01:59"))

    after = change(planner, tenant, schedule, at("01:59:20"), cron_expression="30 3 * * *")

    assert fates(engine, schedule) == [("02:00", "cancelled", "schedule_changed")]
    assert after["next_scheduled_at"] == at("03:30")
    assert schedule_row(engine, schedule["id"])["planned_through"] == at("02:00:50")
    [run] = runs_of(engine, schedule["id"])
    assert events_of(engine, run["id"]) == ["planned", "enqueued", "cancelled"]


def test_a_period_that_the_changed_schedule_names_too_is_taken_up_again(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    tick(engine, paused, at("01:59"))

    change(planner, tenant, schedule, at("01:59:20"), cron_expression="0 2,3 * * *")

    assert fates(engine, schedule) == [("02:00", "scheduled", None)]
    [run] = runs_of(engine, schedule["id"])
    assert run["task_generation"] == 1
    assert run["cloud_task_id"] in [task.name for task in paused.tasks()]
    assert events_of(engine, run["id"]) == [
        "planned",
        "enqueued",
        "cancelled",
        "planned",
        "enqueued",
    ]


def test_an_edit_leaves_a_run_whose_period_was_reached(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(
        engine,
        tenant,
        cron_expression="0 2 * * *",
        spread_seconds=7200,
        from_instant=at("01:00"),
    )
    tick(engine, paused, at("02:00"))
    start_all_at(engine, at("03:00"))

    change(planner, tenant, schedule, at("02:00:30"), cron_expression="30 3 * * *")

    assert fates(engine, schedule) == [("02:00", "scheduled", None)]


def test_an_edit_after_an_outage_first_decides_what_was_missed_as_the_schedule_was(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 * * * *", from_instant=at("00:30"))

    change(planner, tenant, schedule, at("03:30"), cron_expression="15 * * * *")

    assert fates(engine, schedule) == [
        ("01:00", "skipped", "coalesced"),
        ("02:00", "skipped", "coalesced"),
        ("03:00", "scheduled", None),
    ]
    assert schedule_row(engine, schedule["id"])["next_scheduled_at"] == at("04:15")


def test_a_change_of_words_moves_nothing(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))
    before = schedule_row(engine, schedule["id"])

    after = change(
        planner, tenant, schedule, at("02:00:40"), name="new", overlap_policy="queue_one"
    )

    assert (after["name"], after["overlap_policy"]) == ("new", "queue_one")
    assert schedule_row(engine, schedule["id"])["planned_through"] == before["planned_through"]
    assert {status for _, status, _ in fates(engine, schedule)} == {"scheduled"}


def test_a_change_to_what_is_there_already_changes_nothing(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))
    before = schedule_row(engine, schedule["id"])

    change(planner, tenant, schedule, at("02:00:40"), is_enabled=True, spread_seconds=0)
    change(planner, tenant, schedule, at("02:00:40"))

    assert schedule_row(engine, schedule["id"]) == before
    assert {status for _, status, _ in fates(engine, schedule)} == {"scheduled"}


def test_disabling_cancels_what_has_not_started_and_clears_the_next_run(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))

    after = change(planner, tenant, schedule, at("02:00:40"), is_enabled=False)

    assert after["next_scheduled_at"] is None
    assert fates(engine, schedule) == [
        ("02:01", "cancelled", "schedule_disabled"),
        ("02:02", "cancelled", "schedule_disabled"),
    ]


def test_enabling_computes_from_now_and_fires_no_backlog(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 * * * *", is_enabled=False)

    after = change(planner, tenant, schedule, at("05:59:30"), is_enabled=True)

    assert after["next_scheduled_at"] == at("07:00")
    assert fates(engine, schedule) == [("06:00", "scheduled", None)]
    assert len(paused.tasks()) == 1


def test_enabling_again_at_once_takes_up_what_disabling_cancelled(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))
    change(planner, tenant, schedule, at("02:00:40"), is_enabled=False)

    change(planner, tenant, schedule, at("02:00:50"), is_enabled=True)

    assert fates(engine, schedule) == [("02:01", "scheduled", None), ("02:02", "scheduled", None)]


def test_a_new_frequency_drops_the_settings_that_it_does_not_use(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(
        engine,
        tenant,
        frequency="weekly",
        preferred_time="02:00",
        preferred_day_of_week="monday",
        cron_expression=None,
    )

    daily = change(planner, tenant, schedule, at("01:00"), frequency="daily")
    assert (daily["preferred_time"], daily["preferred_day_of_week"]) == ("02:00", None)

    manual = change(planner, tenant, schedule, at("01:00"), frequency="manual")
    assert (manual["preferred_time"], manual["next_scheduled_at"]) == (None, None)


def test_a_setting_that_the_new_frequency_does_not_use_is_refused_when_it_is_given(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant)
    with pytest.raises(RecurrenceError, match="cron expression") as caught:
        change(
            planner,
            tenant,
            schedule,
            at("01:00"),
            frequency="daily",
            preferred_time="02:00",
            cron_expression="* * * * *",
        )
    assert caught.value.code == "cron_unused"


def test_a_refused_edit_changes_nothing(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))
    before = schedule_row(engine, schedule["id"])

    with pytest.raises(RecurrenceError):
        change(planner, tenant, schedule, at("02:00:40"), cron_expression="99 * * * *")

    assert schedule_row(engine, schedule["id"]) == before
    assert {status for _, status, _ in fates(engine, schedule)} == {"scheduled"}


def test_a_recurrence_whose_every_time_a_clock_change_swallows_is_refused(
    engine: Engine, tenant: Tenant
) -> None:
    with pytest.raises(RecurrenceError) as caught:
        make_schedule(engine, tenant, cron_expression="* 2 25-31 3 */7", timezone="Europe/Oslo")
    assert caught.value.code == "cron_never_fires"


def test_an_edit_mends_a_schedule_that_was_set_aside(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE sync_schedule SET cron_expression = '99 * * * *'"))
    tick(engine, paused, at("02:00:30"))
    assert schedule_row(engine, schedule["id"])["plan_error"] is not None

    after = change(planner, tenant, schedule, at("02:03:30"), cron_expression="*/5 * * * *")

    assert after["plan_error"] is None
    assert fates(engine, schedule) == [("02:05", "scheduled", None)]


def test_a_schedule_that_became_illegal_can_still_be_renamed_and_disabled_but_not_enabled(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE sync_schedule SET cron_expression = '99 * * * *'"))
    tick(engine, paused, at("02:00:30"))

    renamed = change(planner, tenant, schedule, at("02:01"), name="new", spread_seconds=60)
    assert (renamed["name"], renamed["spread_seconds"]) == ("new", 60)
    assert "minute" in renamed["plan_error"]
    assert not change(planner, tenant, schedule, at("02:02"), is_enabled=False)["is_enabled"]
    with pytest.raises(RecurrenceError):
        change(planner, tenant, schedule, at("02:03"), is_enabled=True)


def test_a_schedule_of_another_workspace_is_not_found(engine: Engine, planner: Planner) -> None:
    schedule = make_schedule(engine, make_tenant(engine))
    with pytest.raises(NotFoundError):
        change(planner, make_tenant(engine), schedule, at("02:00"), name="mine")


def test_the_dispatcher_and_an_edit_of_the_same_period_give_one_run(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    set_mark(engine, schedule["id"], at("02:00"))

    change(planner, tenant, schedule, at("02:00:30"), spread_seconds=0, blackout_policy="move")
    tick(engine, paused, at("02:00:30"))
    tick(engine, paused, at("02:00:31"))

    assert fates(engine, schedule) == [("02:01", "scheduled", None), ("02:02", "scheduled", None)]
    assert len(paused.tasks()) == 2


def test_an_edit_waits_for_a_tick_that_plans_its_schedule(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    changed = threading.Event()

    def edit() -> None:
        change(planner, tenant, schedule, at("01:59:20"), cron_expression="0 3 * * *")
        changed.set()

    with engine.begin() as tick_page:
        rows = lock_due_schedules(tick_page, at("02:00:30"), 10)
        decided = decide_all(tick_page, rows, at("01:59:10"), timedelta(seconds=90))
        thread = threading.Thread(target=edit)
        thread.start()
        assert not changed.wait(0.5)
        write_plans(tick_page, decided.planned, decided.set_aside, at("01:59:10"))
    thread.join(timeout=30)

    assert fates(engine, schedule) == [("02:00", "cancelled", "schedule_changed")]


def test_edits_at_once_lose_nothing_of_each_other(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("01:00"))
    changes = [
        {"name": "new"},
        {"spread_seconds": 60},
        {"cron_expression": "0 2 * * *"},
        {"blackout_policy": "move"},
    ]
    threads = [
        threading.Thread(target=change, args=(planner, tenant, schedule, at("01:30")), kwargs=one)
        for one in changes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    row = schedule_row(engine, schedule["id"])
    for one in changes:
        assert {name: row[name] for name in one} == one


def test_a_change_waits_for_a_lease_in_its_workspace(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))
    changed = threading.Event()

    def edit() -> None:
        change(planner, tenant, schedule, at("02:00:40"), is_enabled=False)
        changed.set()

    with engine.begin() as lease:
        # What a lease holds from its first statement on.
        lock_workspace(lease, tenant.workspace_id)
        thread = threading.Thread(target=edit)
        thread.start()
        assert not changed.wait(0.5)
    thread.join(timeout=30)
    assert changed.is_set()


def test_a_lease_waits_for_a_change_in_its_workspace(
    engine: Engine, paused: PausedQueue, tenant: Tenant
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))
    run = runs_of(engine, schedule["id"])[0]["workspace_connector_sync_log_id"]
    with engine.begin() as held, engine.begin() as other:
        lock_workspace(held, tenant.workspace_id)
        other.execute(text("SET LOCAL lock_timeout = '100ms'"))
        with pytest.raises(DBAPIError) as caught:
            lease_run(
                other,
                TaskCall(run),
                lease=timedelta(seconds=90),
                early=timedelta(0),
                is_cold=False,
                now=at("02:01"),
            )
        assert violation_of(caught.value).sqlstate == "55P03"
        other.rollback()


def test_sixty_days_of_a_minute_schedule_are_settled_in_bounded_passes(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("00:00"))
    now = at("00:00") + timedelta(days=60)

    change(planner, tenant, schedule, now, cron_expression="0 * * * *")

    runs = runs_of(engine, schedule["id"])
    assert sum(run["period_count"] for run in runs) == 60 * 24 * 60
    assert [run["status"] for run in runs if run["status"] != "skipped"] == ["scheduled"]
