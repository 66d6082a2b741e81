import threading
from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from shared.domain.blackout_rules import MAX_WINDOWS, WantedDays, WantedHours, WantedWindow
from shared.domain.presets import WEEKDAYS
from shared.errors import ConflictError, InvalidInputError, NotFoundError, SynclineError
from shared.flow import replan as replan_flow
from shared.flow.blackouts import create_blackout_window, delete_blackout_window
from shared.flow.decide import decide_all
from shared.flow.schedules import Planner
from shared.store.blackouts import list_windows
from shared.store.schedules import lock_due_schedules, write_plans
from tests.factories import Tenant, at, events_of, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import fates, tick

# 2 March 2026 is a Monday; the workspace is in Oslo, an hour ahead of UTC.
MORNING = WantedHours(("monday",), "03:01", "04:00")


def wanted(
    name: str = "closed", weekly: WantedHours | None = None, dated: WantedDays | None = None
) -> WantedWindow:
    return WantedWindow(name, None, weekly, dated)


def a_day(number: int) -> WantedWindow:
    day = date(2026, 6, number % 28 + 1).isoformat()
    return wanted(f"day {number}", dated=WantedDays(day, day))


def names(engine: Engine, tenant: Tenant) -> list[str]:
    with engine.connect() as connection:
        return [row["name"] for row in list_windows(connection, tenant.workspace_id)]


def test_a_new_window_holds_for_what_was_planned_ahead(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("01:59"))
    tick(engine, paused, at("01:59:45"))

    create_blackout_window(planner, tenant.principal, wanted(weekly=MORNING), now=at("01:59:50"))

    assert fates(engine, schedule) == [
        ("02:00", "scheduled", None),
        ("02:01", "skipped", "blackout"),
    ]
    tick(engine, paused, at("02:01:45"))
    assert fates(engine, schedule)[2:] == [
        ("02:02", "skipped", "blackout"),
        ("02:03", "skipped", "blackout"),
    ]


def test_a_new_window_holds_for_every_schedule_that_is_planned_ahead(
    engine: Engine,
    paused: PausedQueue,
    tenant: Tenant,
    planner: Planner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replan_flow, "_PAGE", 1)
    schedules = [
        make_schedule(engine, tenant, cron_expression="1 2 * * *", from_instant=at("01:59"))
        for _ in range(3)
    ]
    tick(engine, paused, at("01:59:45"))

    create_blackout_window(planner, tenant.principal, wanted(weekly=MORNING), now=at("01:59:50"))

    assert [fates(engine, one) for one in schedules] == [[("02:01", "skipped", "blackout")]] * 3


def test_a_deleted_window_holds_nothing_back_any_more(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    window = create_blackout_window(
        planner, tenant.principal, wanted(weekly=MORNING), now=at("01:00")
    )
    schedule = make_schedule(engine, tenant, from_instant=at("01:59"))
    tick(engine, paused, at("01:59:45"))

    delete_blackout_window(planner, tenant.principal, window["public_id"], now=at("01:59:50"))

    assert fates(engine, schedule) == [
        ("02:00", "scheduled", None),
        ("02:01", "scheduled", None),
    ]
    [_, run] = runs_of(engine, schedule["id"])
    assert run["cloud_task_id"] in [task.name for task in paused.tasks()]


def test_a_start_that_spread_delays_into_a_new_window_waits_for_its_end_and_comes_back_without_it(
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
    [planned] = runs_of(engine, schedule["id"])
    own = planned["not_before_at"]
    whole_day = WantedHours(("monday",), "03:00", "06:00")

    window = create_blackout_window(
        planner, tenant.principal, wanted(weekly=whole_day), now=at("02:00")
    )
    [held] = runs_of(engine, schedule["id"])
    delete_blackout_window(planner, tenant.principal, window["public_id"], now=at("02:00"))
    [back] = runs_of(engine, schedule["id"])

    assert held["not_before_at"] == at("05:00")
    assert back["not_before_at"] == own
    assert "moved" in events_of(engine, planned["id"])
    assert back["status"] == "scheduled"


def test_a_run_that_a_window_moved_keeps_its_start_when_another_window_is_made(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    morning = WantedHours(("monday",), "02:30", "05:00")
    create_blackout_window(planner, tenant.principal, wanted(weekly=morning), now=at("01:00"))
    schedule = make_schedule(
        engine,
        tenant,
        cron_expression="0 2 * * *",
        blackout_policy="move",
        spread_seconds=3600,
        from_instant=at("01:00"),
    )
    tick(engine, paused, at("02:00"))
    [moved] = runs_of(engine, schedule["id"])

    evening = wanted("evening", WantedHours(("monday",), "20:00", "22:00"))
    create_blackout_window(planner, tenant.principal, evening, now=at("02:01"))

    assert at("04:00") <= moved["not_before_at"] < at("05:00")
    assert runs_of(engine, schedule["id"]) == [moved]


def test_a_window_made_while_a_tick_plans_holds_for_what_it_planned(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="1 2 * * *", from_instant=at("01:00"))
    made = threading.Event()

    def make_window() -> None:
        create_blackout_window(
            planner, tenant.principal, wanted(weekly=MORNING), now=at("02:00:20")
        )
        made.set()

    with engine.begin() as tick_page:
        rows = lock_due_schedules(tick_page, at("02:01:30"), 10)
        decided = decide_all(tick_page, rows, at("02:00:10"), timedelta(seconds=90))
        thread = threading.Thread(target=make_window)
        thread.start()
        assert not made.wait(0.5), "it has to wait for the tick, or it would not see its run"
        write_plans(tick_page, decided.planned, decided.set_aside, at("02:00:10"))
    thread.join(timeout=30)

    assert fates(engine, schedule) == [("02:01", "skipped", "blackout")]


def test_a_window_whose_zone_is_gone_holds_nothing_back_and_can_be_deleted(
    engine: Engine,
    paused: PausedQueue,
    tenant: Tenant,
    planner: Planner,
    caplog: pytest.LogCaptureFixture,
) -> None:
    window = create_blackout_window(planner, tenant.principal, a_day(1), now=at("01:00"))
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE blackout_window SET timezone = 'Mars/Olympus'"))

    tick(engine, paused, at("02:00:30"))

    assert {status for _, status, _ in fates(engine, schedule)} == {"scheduled"}
    assert "holds nothing back" in caplog.text
    create_blackout_window(planner, tenant.principal, a_day(2), now=at("02:00:40"))
    delete_blackout_window(planner, tenant.principal, window["public_id"], now=at("02:00:40"))


def test_a_window_holds_for_the_schedules_of_its_workspace_alone(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    theirs = make_schedule(engine, make_tenant(engine), from_instant=at("02:00:30"))
    create_blackout_window(planner, tenant.principal, wanted(weekly=MORNING), now=at("01:00"))
    tick(engine, paused, at("02:00:45"))
    assert {status for _, status, _ in fates(engine, theirs)} == {"scheduled"}


def test_a_change_that_is_refused_leaves_everything_as_it_was(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("01:59"))
    tick(engine, paused, at("01:59:45"))
    before = runs_of(engine, schedule["id"])
    with pytest.raises(NotFoundError):
        delete_blackout_window(planner, tenant.principal, uuid4())
    with pytest.raises(InvalidInputError):
        create_blackout_window(planner, tenant.principal, wanted())
    assert runs_of(engine, schedule["id"]) == before
    assert names(engine, tenant) == []


def test_the_zone_of_the_workspace_is_the_default(tenant: Tenant, planner: Planner) -> None:
    row = create_blackout_window(planner, tenant.principal, a_day(1))
    assert row["timezone"] == tenant.principal.workspace_timezone


def test_windows_that_leave_no_room_together_are_refused(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    create_blackout_window(
        planner, tenant.principal, wanted("day", WantedHours(WEEKDAYS, "06:00", "18:00"))
    )
    with pytest.raises(InvalidInputError) as refusal:
        create_blackout_window(
            planner, tenant.principal, wanted("night", WantedHours(WEEKDAYS, "18:00", "06:00"))
        )
    assert [problem.code for problem in refusal.value.problems] == ["blackout_covers_everything"]
    assert names(engine, tenant) == ["day"]


def create_all_at_once(
    planner: Planner, tenant: Tenant, windows: list[WantedWindow]
) -> list[SynclineError]:
    """Create windows at the same moment, and return the refusals."""
    barrier, refusals = threading.Barrier(len(windows)), []

    def create(window: WantedWindow) -> None:
        barrier.wait()
        try:
            create_blackout_window(planner, tenant.principal, window)
        except SynclineError as error:
            refusals.append(error)

    threads = [threading.Thread(target=create, args=[window]) for window in windows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refusals


def test_a_name_is_taken_by_one_of_those_who_want_it_at_once(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    same = [wanted(name, dated=WantedDays("2026-06-01", "2026-06-01")) for name in ("a", "A") * 3]
    refusals = create_all_at_once(planner, tenant, same)
    assert [type(error) for error in refusals] == [ConflictError] * 5
    assert {error.code for error in refusals} == {"name_taken"}
    assert len(names(engine, tenant)) == 1


def test_no_more_than_the_most_windows_are_created_at_once(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    for number in range(MAX_WINDOWS - 2):
        create_blackout_window(planner, tenant.principal, a_day(number))
    more = [a_day(MAX_WINDOWS + number) for number in range(5)]
    refusals = create_all_at_once(planner, tenant, more)
    assert {error.code for error in refusals} == {"too_many_blackout_windows"}
    assert len(refusals) == 3
    assert len(names(engine, tenant)) == MAX_WINDOWS


def test_halves_of_the_week_that_are_created_at_once_leave_room(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    halves = [
        wanted("day", WantedHours(WEEKDAYS, "06:00", "18:00")),
        wanted("night", WantedHours(WEEKDAYS, "18:00", "06:00")),
    ]
    [refusal] = create_all_at_once(planner, tenant, halves)
    assert isinstance(refusal, InvalidInputError)
    assert len(names(engine, tenant)) == 1
