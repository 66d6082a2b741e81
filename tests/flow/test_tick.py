import threading
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from infra.local.cloud_tasks.faults import Fault
from shared.flow.enqueue import EnqueueReport, enqueue_due
from shared.flow.tick import run_tick
from shared.store.ticks import TickReport
from tests.factories import at, events_of, make_schedule, make_tenant, runs_of, set_mark
from tests.flow.queues import PausedQueue

LOOK_AHEAD = timedelta(seconds=90)
BUDGET = timedelta(seconds=45)


def tick(engine: Engine, paused: PausedQueue, now: object) -> TickReport:
    return run_tick(engine, paused.queue, look_ahead=LOOK_AHEAD, budget=BUDGET, now=now)


def test_a_period_within_the_look_ahead_becomes_a_run_whose_task_waits_for_its_instant(
    engine: Engine, paused: PausedQueue
) -> None:
    tenant = make_tenant(engine)
    schedule = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("00:00"))

    report = tick(engine, paused, at("01:59"))

    assert (report.due, report.claimed, report.enqueued) == (1, 1, 1)
    [run] = runs_of(engine, schedule["id"])
    assert run["status"] == "scheduled"
    assert run["period_at"] == at("02:00")
    assert run["idempotency_key"] == f"{schedule['connector_public_id']}:2026-03-02T02:00:00Z"
    [task] = paused.tasks()
    assert task.name == run["cloud_task_id"]
    assert str(run["workspace_connector_sync_log_id"]) in task.http_request.body.decode()
    assert task.http_request.oidc_token.audience == task.http_request.url
    assert events_of(engine, run["id"]) == ["planned", "enqueued"]


def test_a_task_is_not_delivered_before_the_instant_of_its_run(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(engine, make_tenant(engine))

    run_tick(engine, paused.queue, look_ahead=LOOK_AHEAD, budget=BUDGET)

    runs = runs_of(engine, schedule["id"])
    assert sorted(task.schedule_time for task in paused.tasks()) == [
        run["period_at"] for run in runs
    ]


def test_a_period_beyond_the_look_ahead_is_left_for_a_later_tick(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 2 * * *", from_instant=at("00:00")
    )
    set_next(engine, schedule["id"], "2026-03-02T02:00Z")

    report = tick(engine, paused, at("01:58"))

    assert report.due == 0
    assert runs_of(engine, schedule["id"]) == []


def make_unconfirmed(engine: Engine, paused: PausedQueue) -> dict:
    """Make a schedule whose run of 02:00 was admitted, and its task not confirmed."""
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 2 * * *", from_instant=at("00:00")
    )
    tick(engine, paused, at("01:59"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace_connector_sync_log SET enqueued_at = NULL"))
    return schedule


def set_next(engine: Engine, schedule_id: int, instant: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE sync_schedule SET next_scheduled_at = :next WHERE id = :id"),
            {"next": instant, "id": schedule_id},
        )


def test_a_repeated_tick_gives_one_run_a_period(engine: Engine, paused: PausedQueue) -> None:
    schedule = make_schedule(engine, make_tenant(engine), from_instant=at("02:00"))

    for _ in range(3):
        tick(engine, paused, at("02:00:30"))

    periods = [run["period_at"] for run in runs_of(engine, schedule["id"])]
    assert periods == [at("02:01"), at("02:02")]
    assert len(paused.tasks()) == 2


def test_a_tick_that_was_cut_off_after_its_claim_is_finished_by_the_next(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(engine, make_tenant(engine), from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))
    with engine.begin() as connection:
        # As if the marks had been lost with the reply: the periods are planned once more.
        connection.execute(text("UPDATE sync_schedule SET planned_through = NULL"))
    set_mark(engine, schedule["id"], at("02:00"))

    report = tick(engine, paused, at("02:00:30"))

    assert report.claimed == 0
    assert len(runs_of(engine, schedule["id"])) == 2


def test_dispatchers_at_once_give_one_run_a_period(engine: Engine, paused: PausedQueue) -> None:
    tenants = [make_tenant(engine) for _ in range(3)]
    schedules = [make_schedule(engine, tenants[n % 3], from_instant=at("02:00")) for n in range(60)]
    start = threading.Barrier(4)
    reports: list[TickReport] = []

    def dispatch() -> None:
        start.wait()
        reports.append(tick(engine, paused, at("02:00:30")))

    threads = [threading.Thread(target=dispatch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(reports) == 4
    assert sum(report.claimed for report in reports) == 120
    # Whatever one of them stepped over, the next tick enqueues.
    tick(engine, paused, at("02:00:31"))
    for schedule in schedules:
        runs = runs_of(engine, schedule["id"])
        assert [run["period_at"] for run in runs] == [at("02:01"), at("02:02")]
        assert all(run["enqueued_at"] is not None for run in runs)
    assert len(paused.tasks()) == 120


def test_a_schedule_that_cannot_be_planned_is_set_aside_and_stops_no_other(
    engine: Engine, paused: PausedQueue, caplog: pytest.LogCaptureFixture
) -> None:
    tenant = make_tenant(engine)
    bad = make_schedule(engine, tenant, from_instant=at("02:00"))
    good = make_schedule(engine, tenant, from_instant=at("02:00"))
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE sync_schedule SET cron_expression = '99 * * * *' WHERE id = :id"),
            {"id": bad["id"]},
        )

    report = tick(engine, paused, at("02:00:30"))

    assert (report.set_aside, report.claimed) == (1, 2)
    assert len(runs_of(engine, good["id"])) == 2
    with engine.connect() as connection:
        query = text("SELECT plan_error, next_scheduled_at FROM sync_schedule WHERE id = :id")
        error, following = connection.execute(query, {"id": bad["id"]}).one()
    assert "minute" in error
    assert following is None
    assert "set aside" in caplog.text
    assert tick(engine, paused, at("02:00:40")).set_aside == 0


def test_manual_and_disabled_schedules_are_never_due(engine: Engine, paused: PausedQueue) -> None:
    tenant = make_tenant(engine)
    manual = make_schedule(engine, tenant, frequency="manual", cron_expression=None)
    disabled = make_schedule(engine, tenant, is_enabled=False)

    report = tick(engine, paused, at("02:00", day="2030-01-01"))

    assert report.due == 0
    assert manual["next_scheduled_at"] is None
    assert disabled["next_scheduled_at"] is None


def test_a_workspace_gets_no_more_tasks_than_it_has_places(
    engine: Engine, paused: PausedQueue
) -> None:
    crowded = make_tenant(engine, max_concurrent_syncs=2)
    single = make_tenant(engine)
    crowd = [make_schedule(engine, crowded, from_instant=at("02:00")) for _ in range(5)]
    alone = make_schedule(engine, single, from_instant=at("02:00"))

    report = tick(engine, paused, at("02:00:05"))

    assert report.claimed == 6
    assert report.enqueued == 3
    [run] = runs_of(engine, alone["id"])
    assert run["enqueued_at"] is not None
    waiting = [run for one in crowd for run in runs_of(engine, one["id"]) if not run["admitted_at"]]
    assert len(waiting) == 3


def test_a_run_that_waited_long_does_not_overlook_places_taken_by_later_ones(
    engine: Engine, paused: PausedQueue
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=1)
    early = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    late = make_schedule(engine, tenant, cron_expression="3 2 * * *", from_instant=at("01:00"))
    tick(engine, paused, at("02:03"))
    with engine.begin() as connection:
        # The later run got the only place while the earlier one was put back.
        connection.execute(
            text(
                "UPDATE workspace_connector_sync_log SET enqueued_at = NULL, admitted_at ="
                " CASE WHEN schedule_id = :late THEN CAST(:at AS timestamptz) END"
            ),
            {"at": at("02:03"), "late": late["id"]},
        )

    report = tick(engine, paused, at("02:03:10"))

    assert runs_of(engine, early["id"])[0]["admitted_at"] is None
    assert report.enqueued == 0


def test_a_manual_run_takes_its_place_before_runs_planned_for_later(
    engine: Engine, paused: PausedQueue
) -> None:
    tenant = make_tenant(engine, max_concurrent_syncs=1)
    make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    tick(engine, paused, at("01:59"))
    manual = make_schedule(engine, tenant, frequency="manual", cron_expression=None)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id,"
                " schedule_id, trigger_type, idempotency_key, not_before_at)"
                " SELECT workspace_id, connector_id, id, 'manual', 'k', :at"
                " FROM sync_schedule WHERE id = :id"
            ),
            {"at": at("01:59:10"), "id": manual["id"]},
        )

    report = tick(engine, paused, at("01:59:20"))

    assert report.enqueued == 1
    [task] = paused.tasks(paused.interactive)
    assert runs_of(engine, manual["id"])[0]["cloud_task_id"] == task.name


def test_a_task_that_cloud_tasks_refused_is_made_by_a_later_tick(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 2 * * *", from_instant=at("00:00")
    )
    paused.client.delete_queue(name=paused.scheduled)

    report = tick(engine, paused, at("01:59"))

    assert (report.enqueued, report.enqueue_failures) == (0, 1)
    [run] = runs_of(engine, schedule["id"])
    assert run["status"] == "scheduled"
    assert run["enqueued_at"] is None


def test_a_tick_of_which_cloud_tasks_takes_nothing_asks_no_second_time(
    engine: Engine, paused: PausedQueue
) -> None:
    tenant = make_tenant(engine)
    make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    reported = make_schedule(engine, tenant, frequency="realtime", cron_expression=None)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO unread_change (connector_id, workspace_id, reported_at, look_at)"
                " VALUES (:c, :w, :at, :at)"
            ),
            {"c": reported["connector_id"], "w": tenant.workspace_id, "at": at("01:59")},
        )
    paused.client.delete_queue(name=paused.scheduled)

    report = tick(engine, paused, at("02:00"))

    assert (report.enqueued, report.enqueue_failures) == (0, 1)
    assert [run["enqueued_at"] for run in runs_of(engine, reported["id"])] == [None]


def test_when_the_time_is_over_no_forgotten_task_is_made(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_unconfirmed(engine, paused)

    report = enqueue_due(engine, paused.queue, at("01:59:45"), LOOK_AHEAD, lambda: False)

    assert report == EnqueueReport(is_complete=False)
    [run] = runs_of(engine, schedule["id"])
    assert run["enqueued_at"] is None


def test_a_lost_reply_of_cloud_tasks_does_not_lose_or_double_the_task(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 2 * * *", from_instant=at("00:00")
    )
    paused.server.set_faults(Fault(kind="lose_reply", queue=paused.scheduled, times=1))

    report = tick(engine, paused, at("01:59"))

    assert report.enqueued == 1
    [run] = runs_of(engine, schedule["id"])
    assert [task.name for task in paused.tasks()] == [run["cloud_task_id"]]


def test_an_admitted_run_without_a_confirmed_task_is_enqueued_again_under_the_same_name(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_unconfirmed(engine, paused)

    tick(engine, paused, at("01:59:45"))

    [run] = runs_of(engine, schedule["id"])
    assert run["enqueued_at"] is not None
    assert len(paused.tasks()) == 1


def test_a_run_whose_task_was_lost_gets_a_new_one_under_a_new_name(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), cron_expression="0 2 * * *", from_instant=at("00:00")
    )
    tick(engine, paused, at("01:59"))
    [before] = paused.tasks()
    paused.client.delete_task(name=before.name)

    report = tick(engine, paused, at("02:06"))

    assert report.rescued == 1
    [run] = runs_of(engine, schedule["id"])
    [after] = paused.tasks()
    assert after.name == run["cloud_task_id"] != before.name
    assert run["task_generation"] == 1
    assert events_of(engine, run["id"]) == ["planned", "enqueued", "task_lost", "enqueued"]


def test_a_tick_leaves_a_row_that_says_what_it_did(engine: Engine, paused: PausedQueue) -> None:
    make_schedule(engine, make_tenant(engine), from_instant=at("02:00"))

    tick(engine, paused, at("02:00:30"))

    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM tick")).mappings().one()
    assert row["as_of"] == at("02:00:30")
    assert (row["due"], row["claimed"], row["enqueued"]) == (1, 2, 2)
    assert row["is_complete"]
    assert row["completed_at"] is not None


def test_periods_planned_more_than_five_minutes_late_raise_an_alert(
    engine: Engine, paused: PausedQueue, caplog: pytest.LogCaptureFixture
) -> None:
    make_schedule(
        engine, make_tenant(engine), cron_expression="0 2 * * *", from_instant=at("01:00")
    )

    report = tick(engine, paused, at("02:06"))

    assert report.drift == timedelta(minutes=6)
    assert "more than 5 minutes late" in caplog.text
