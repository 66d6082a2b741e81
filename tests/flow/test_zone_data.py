from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from shared.domain.zone_data import zone_data_version
from shared.flow import tick as tick_flow
from shared.flow import zone_data
from shared.flow.zone_data import replan_older_zone_data
from tests.factories import at, make_schedule, make_tenant, runs_of, set_mark
from tests.flow.queues import PausedQueue
from tests.flow.workers import schedule_row, tick

LOOK_AHEAD = timedelta(seconds=90)


def compute_with(engine: Engine, version: str, next_scheduled_at: str) -> None:
    """Let the schedules be as another version of the zone data had computed them."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE sync_schedule SET zone_data_version = :version,"
                " next_scheduled_at = CAST(:next AS timestamptz)"
            ),
            {"version": version, "next": next_scheduled_at},
        )


def test_the_next_tick_recomputes_what_older_zone_data_computed(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 9 * * *", timezone="Europe/Oslo"
    )
    set_mark(engine, schedule["id"], at("02:00"))
    # As if Oslo's clock had been an hour behind in the older data.
    compute_with(engine, "2019a", "2026-03-02T09:00Z")

    tick(engine, paused, at("02:05"))

    row = schedule_row(engine, schedule["id"])
    assert row["next_scheduled_at"] == at("08:00")
    assert row["zone_data_version"] == zone_data_version()


def test_a_period_that_newer_zone_data_brings_forward_to_now_runs_in_the_same_tick(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 9 * * *", timezone="Europe/Oslo"
    )
    set_mark(engine, schedule["id"], at("02:00"))
    compute_with(engine, "2019a", "2026-03-02T09:00Z")

    tick(engine, paused, at("07:59"))

    [run] = runs_of(engine, schedule["id"])
    assert (run["period_at"], run["status"]) == (at("08:00"), "scheduled")
    assert run["enqueued_at"] is not None


def test_a_period_that_newer_zone_data_puts_into_the_past_has_its_row(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 9 * * *", timezone="Europe/Oslo"
    )
    set_mark(engine, schedule["id"], at("02:00"))
    compute_with(engine, "2019a", "2026-03-02T09:00Z")

    tick(engine, paused, at("08:30"))

    [run] = runs_of(engine, schedule["id"])
    assert (run["period_at"], run["status"]) == (at("08:00"), "scheduled")
    row = schedule_row(engine, schedule["id"])
    assert row["next_scheduled_at"] == at("08:00", day="2026-03-03")


def test_a_run_planned_ahead_for_an_instant_that_is_none_any_more_is_cancelled(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(engine, make_tenant(engine), from_instant=at("08:58"))
    tick(engine, paused, at("08:58:40"))
    with engine.begin() as connection:
        # The zone's data says now that these minutes are others.
        connection.execute(
            text("UPDATE sync_schedule SET cron_expression = '0 9 * * *'"),
        )
    compute_with(engine, "2019a", "2026-03-02T09:01Z")

    tick(engine, paused, at("08:58:50"))

    assert [
        (f"{run['period_at']:%H:%M}", run["status"], run["reason"])
        for run in runs_of(engine, schedule["id"])
    ] == [("08:59", "cancelled", "zone_data_changed"), ("09:00", "scheduled", None)]


def test_newer_data_than_ours_is_left_alone(engine: Engine, paused: PausedQueue) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 9 * * *", from_instant=at("02:00")
    )
    compute_with(engine, "9999z", "2026-03-02T10:00Z")

    tick(engine, paused, at("02:05"))

    row = schedule_row(engine, schedule["id"])
    assert (row["zone_data_version"], row["next_scheduled_at"]) == ("9999z", at("10:00"))


def test_many_schedules_are_recomputed_in_pages_soonest_first_while_there_is_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = make_tenant(engine)
    schedules = [
        make_schedule(engine, tenant, cron_expression=f"0 {hour} * * *", from_instant=at("02:00"))
        for hour in (9, 7, 8)
    ]
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE sync_schedule SET zone_data_version = '2019a', next_scheduled_at ="
                " '2026-03-02T00:00Z'::timestamptz + split_part(cron_expression, ' ', 2)::integer"
                " * interval '1 hour'"
            )
        )
    monkeypatch.setattr(zone_data, "_PAGE", 1)
    calls = iter([True, True, False])

    is_current = replan_older_zone_data(engine, at("02:05"), LOOK_AHEAD, lambda: next(calls))

    assert not is_current
    versions = [schedule_row(engine, one["id"])["zone_data_version"] for one in schedules]
    assert versions == ["2019a", zone_data_version(), zone_data_version()]
    assert replan_older_zone_data(engine, at("02:05"), LOOK_AHEAD, lambda: True)


def test_a_tick_goes_on_with_what_it_had_no_time_for_before_planning(
    engine: Engine, paused: PausedQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 9 * * *", from_instant=at("02:00")
    )
    compute_with(engine, "2019a", "2026-03-02T10:00Z")
    monkeypatch.setattr(tick_flow, "_SHARE_BEFORE_PLANNING", 0.0)

    tick(engine, paused, at("02:05"))

    row = schedule_row(engine, schedule["id"])
    assert (row["zone_data_version"], row["next_scheduled_at"]) == (
        zone_data_version(),
        at("09:00"),
    )
