"""A dispatcher that was away: the ledger is whole afterwards, and the policy says what runs."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from shared.domain.plan import MAX_SINGLE_SKIPS
from shared.flow import plan as plan_flow
from shared.flow import tick as tick_flow
from shared.flow.decide import Bounds, decide_all
from shared.store.rows import Row
from shared.store.schedules import lock_due_schedules
from tests.factories import at, make_schedule, make_tenant, runs_of, set_mark
from tests.flow.queues import PausedQueue
from tests.flow.workers import schedule_row, tick

AWAY = {
    "a minute": timedelta(minutes=1),
    "an hour": timedelta(hours=1),
    "three days": timedelta(days=3),
}


def after(engine: Engine, paused: PausedQueue, away: timedelta, **values: object) -> list[Row]:
    """Return the rows of a schedule whose dispatcher comes back after so long."""
    schedule = make_schedule(engine, make_tenant(engine), from_instant=at("00:00"), **values)
    now = at("00:00") + away
    tick(engine, paused, now)
    tick(engine, paused, now)
    row = schedule_row(engine, schedule["id"])
    assert row["planned_through"] >= now
    assert row["next_scheduled_at"] > now
    return [run for run in runs_of(engine, schedule["id"]) if run["period_at"] <= now]


def reasons(rows: list[Row]) -> dict[str | None, int]:
    counts: dict[str | None, int] = {}
    for row in rows:
        counts[row["reason"]] = counts.get(row["reason"], 0) + row["period_count"]
    return counts


@pytest.mark.parametrize("away", AWAY)
@pytest.mark.parametrize(
    ("policy", "runs"),
    [
        ("run_once", {"a minute": 1, "an hour": 1, "three days": 1}),
        # A day is the default window.
        ("run_all", {"a minute": 1, "an hour": 60, "three days": 24 * 60 + 1}),
        ("skip", {"a minute": 1, "an hour": 1, "three days": 1}),
    ],
)
def test_the_number_of_runs_is_what_the_policy_says_and_every_period_has_its_row(
    engine: Engine, paused: PausedQueue, away: str, policy: str, runs: dict[str, int]
) -> None:
    rows = after(engine, paused, AWAY[away], missed_run_policy=policy)

    found = reasons(rows)
    assert sum(found.values()) == AWAY[away] // timedelta(minutes=1)
    assert found[None] == runs[away]
    assert (
        max(row["period_at"] for row in rows if row["reason"] is None) == at("00:00") + AWAY[away]
    )


def test_the_catch_up_window_decides_what_is_too_late(engine: Engine, paused: PausedQueue) -> None:
    rows = after(
        engine,
        paused,
        timedelta(hours=3, minutes=30),
        cron_expression="0 * * * *",
        missed_run_policy="run_all",
        catch_up_window_seconds=7200,
    )
    assert [(f"{row['period_at']:%H:%M}", row["reason"]) for row in rows] == [
        ("01:00", "missed_window"),
        ("02:00", None),
        ("03:00", None),
    ]


def test_a_long_gap_has_single_rows_for_its_newest_periods_and_names_the_others(
    engine: Engine, paused: PausedQueue
) -> None:
    rows = after(engine, paused, timedelta(hours=10))

    folded, *single = [row for row in rows if row["reason"] is not None]
    assert len(single) == MAX_SINGLE_SKIPS
    assert folded["period_count"] == 599 - MAX_SINGLE_SKIPS
    assert folded["period_at"] == at("00:01")
    assert folded["last_period_at"] == single[0]["period_at"] - timedelta(minutes=1)


def test_when_many_schedules_missed_many_periods_their_skips_share_rows(
    engine: Engine, paused: PausedQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_flow, "Bounds", lambda: Bounds(single_skips=10))
    tenant = make_tenant(engine)
    schedules = [
        make_schedule(engine, tenant, cron_expression="0 * * * *", from_instant=at("00:00"))
        for _ in range(4)
    ]

    tick(engine, paused, at("09:30"))

    rows = [runs_of(engine, schedule["id"]) for schedule in schedules]
    assert [reasons(one) for one in rows] == [{"coalesced": 8, None: 1}] * 4
    assert sorted(len(one) for one in rows) == [2, 2, 9, 9]


def test_what_was_skipped_stays_skipped_when_its_periods_are_planned_once_more(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 * * * *", from_instant=at("00:30")
    )
    tick(engine, paused, at("03:30"))
    with engine.begin() as connection:
        # As if the marks had been lost, and the policy were another one by now.
        connection.execute(text("UPDATE sync_schedule SET missed_run_policy = 'run_all'"))
    set_mark(engine, schedule["id"], at("00:30"))

    tick(engine, paused, at("03:30"))

    assert reasons(runs_of(engine, schedule["id"])) == {"coalesced": 2, None: 1}


def test_a_page_stops_at_so_many_rows_and_the_next_goes_on(
    engine: Engine, paused: PausedQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_flow, "Bounds", lambda: Bounds(rows=10))
    tenant = make_tenant(engine)
    schedules = [
        make_schedule(engine, tenant, cron_expression="0 * * * *", from_instant=at("00:00"))
        for _ in range(5)
    ]
    with engine.begin() as connection:
        rows = lock_due_schedules(connection, at("09:30"), 100)
        decided = decide_all(connection, rows, at("09:30"), timedelta(0), Bounds(rows=10))
    assert (decided.count, decided.rows) == (2, 18)

    tick(engine, paused, at("09:30"))

    assert [len(runs_of(engine, one["id"])) for one in schedules] == [9] * 5


def test_a_catch_up_that_runs_out_of_time_is_finished_by_the_next_tick(
    engine: Engine, paused: PausedQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_flow, "_PAGE", 2)
    tenant = make_tenant(engine)
    for _ in range(5):
        make_schedule(engine, tenant, cron_expression="0 * * * *", from_instant=at("00:00"))
    answers = iter([True, True, False])

    first = plan_flow.plan_due(engine, at("09:30"), timedelta(seconds=90), lambda: next(answers))
    second = plan_flow.plan_due(engine, at("09:30"), timedelta(seconds=90), lambda: True)

    assert (first.due, first.claimed, first.skipped, first.is_complete) == (4, 4, 32, False)
    assert (second.due, second.claimed, second.skipped, second.is_complete) == (1, 1, 8, True)


def test_a_catch_up_leaves_time_to_enqueue_what_is_planned(
    engine: Engine, paused: PausedQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_flow, "_PAGE", 1)
    clock = iter(range(100_000))
    # Every look at the clock takes a second, so that planning alone could use up the tick.
    monkeypatch.setattr(tick_flow, "monotonic", lambda: float(next(clock)))
    tenant = make_tenant(engine)
    for _ in range(40):
        make_schedule(engine, tenant, cron_expression="0 * * * *", from_instant=at("00:00"))

    report = tick_flow.run_tick(
        engine,
        paused.queue,
        look_ahead=timedelta(seconds=90),
        budget=timedelta(seconds=40),
        now=at("09:30"),
    )

    assert not report.is_complete
    assert report.enqueued == report.claimed > 10
