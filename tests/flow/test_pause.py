from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from shared.domain.schedule import UNTIL_RESUMED
from shared.errors import InvalidInputError, NotFoundError
from shared.flow import plan as plan_flow
from shared.flow.decide import Bounds
from shared.flow.pause import pause_schedule, resume_schedule
from shared.flow.schedules import Planner
from tests.factories import Tenant, at, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import fates, schedule_row, start_all_at, tick


def test_a_pause_skips_periods_until_its_end_with_the_reason(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))

    after = pause_schedule(
        planner,
        tenant.principal,
        schedule["public_id"],
        until=at("02:03"),
        note="books are closed",
        now=at("02:00:40"),
    )
    tick(engine, paused, at("02:01:40"))

    assert (after["paused_until"], after["pause_note"]) == (at("02:03"), "books are closed")
    assert fates(engine, schedule) == [
        ("02:01", "skipped", "paused"),
        ("02:02", "skipped", "paused"),
        ("02:03", "scheduled", None),
    ]


def test_a_pause_without_an_end_lasts_and_resuming_fires_no_backlog(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 * * * *", from_instant=at("00:30"))
    after = pause_schedule(
        planner, tenant.principal, schedule["public_id"], until=None, note=None, now=at("00:40")
    )
    assert after["paused_until"] == UNTIL_RESUMED

    # The dispatcher was away as well: what passed in the pause is skipped as paused.
    resumed = resume_schedule(planner, tenant.principal, schedule["public_id"], now=at("03:10"))
    tick(engine, paused, at("03:10:30"))

    assert resumed["paused_until"] is None
    assert fates(engine, schedule) == [
        ("01:00", "skipped", "paused"),
        ("02:00", "skipped", "paused"),
        ("03:00", "skipped", "paused"),
    ]
    assert schedule_row(engine, schedule["id"])["next_scheduled_at"] == at("04:00")


def test_resuming_takes_up_the_periods_ahead_that_the_pause_had_skipped(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    pause_schedule(
        planner, tenant.principal, schedule["public_id"], until=None, note=None, now=at("02:00:30")
    )
    assert {reason for *_, reason in fates(engine, schedule)} == {"paused"}

    resume_schedule(planner, tenant.principal, schedule["public_id"], now=at("02:00:40"))

    assert fates(engine, schedule) == [("02:01", "scheduled", None), ("02:02", "scheduled", None)]
    assert len(paused.tasks()) == 2


def test_a_pause_cancels_a_run_that_spread_had_not_let_start_yet(
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

    pause_schedule(
        planner, tenant.principal, schedule["public_id"], until=None, note=None, now=at("02:00:30")
    )

    assert fates(engine, schedule) == [("02:00", "cancelled", "paused")]


def test_a_pause_cancels_a_run_that_was_due_and_did_not_start(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))

    pause_schedule(
        planner, tenant.principal, schedule["public_id"], until=None, note=None, now=at("02:01:30")
    )

    assert fates(engine, schedule)[0] == ("02:01", "cancelled", "paused")
    assert {status for _, status, _ in fates(engine, schedule)[1:]} == {"skipped"}


def test_a_pause_leaves_a_run_that_is_in_progress(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workspace_connector_sync_log SET status = 'in_progress', fence = 1,"
                " attempt = 1, started_at = :at, lease_expires_at = :at"
                " WHERE period_at = :period"
            ),
            {"at": at("02:05"), "period": at("02:01")},
        )

    pause_schedule(
        planner, tenant.principal, schedule["public_id"], until=None, note=None, now=at("02:01:30")
    )

    assert fates(engine, schedule)[0] == ("02:01", "in_progress", None)


def test_a_pause_leaves_runs_that_somebody_asked_for_and_those_that_wait_for_another_attempt(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("01:00"))
    tick(engine, paused, at("01:59"))
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workspace_connector_sync_log SET attempt = 1, started_at = :at,"
                " next_attempt_at = :retry, not_before_at = :retry"
            ),
            {"at": at("02:00"), "retry": at("02:30")},
        )
        connection.execute(
            text(
                "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id,"
                " schedule_id, trigger_type, idempotency_key, not_before_at)"
                " SELECT workspace_id, connector_id, id, 'manual', 'k', :at FROM sync_schedule"
            ),
            {"at": at("02:05")},
        )

    pause_schedule(
        planner, tenant.principal, schedule["public_id"], until=None, note=None, now=at("02:10")
    )

    assert [run["status"] for run in runs_of(engine, schedule["id"])] == ["scheduled"] * 2


def test_a_pause_after_an_outage_starts_nothing_of_what_was_missed(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 * * * *", from_instant=at("00:30"))

    pause_schedule(
        planner, tenant.principal, schedule["public_id"], until=None, note=None, now=at("03:30")
    )

    assert fates(engine, schedule) == [
        ("01:00", "skipped", "coalesced"),
        ("02:00", "skipped", "coalesced"),
        ("03:00", "cancelled", "paused"),
    ]


def test_a_pause_leaves_a_run_that_starts_after_its_end(
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

    pause_schedule(
        planner,
        tenant.principal,
        schedule["public_id"],
        until=at("02:30"),
        note=None,
        now=at("02:10"),
    )

    assert fates(engine, schedule) == [("02:00", "scheduled", None)]


def test_a_resumed_schedule_has_one_row_a_period_however_many_were_skipped_before(
    engine: Engine,
    paused: PausedQueue,
    tenant: Tenant,
    planner: Planner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan_flow, "Bounds", lambda: Bounds(single_skips=0))
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE sync_schedule SET paused_until = '9999-12-31'"))
    tick(engine, paused, at("02:00:40"))

    resume_schedule(planner, tenant.principal, schedule["public_id"], now=at("02:00:50"))

    assert fates(engine, schedule) == [("02:01", "scheduled", None), ("02:02", "scheduled", None)]
    assert {run["period_count"] for run in runs_of(engine, schedule["id"])} == {1}


def test_a_pause_that_ended_already_is_refused(
    tenant: Tenant, planner: Planner, engine: Engine
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    with pytest.raises(InvalidInputError) as caught:
        pause_schedule(
            planner,
            tenant.principal,
            schedule["public_id"],
            until=at("02:00"),
            note=None,
            now=at("02:00"),
        )
    assert caught.value.problems[0].code == "pause_until_passed"


def test_resuming_what_is_not_paused_changes_nothing(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"))
    tick(engine, paused, at("02:00:30"))
    before = schedule_row(engine, schedule["id"])
    resume_schedule(planner, tenant.principal, schedule["public_id"], now=at("02:00:40"))
    assert schedule_row(engine, schedule["id"]) == before


def test_a_schedule_of_another_workspace_is_not_found(engine: Engine, planner: Planner) -> None:
    schedule = make_schedule(engine, make_tenant(engine))
    stranger = make_tenant(engine)
    until = at("02:00") + timedelta(days=36_500)
    with pytest.raises(NotFoundError):
        pause_schedule(planner, stranger.principal, schedule["public_id"], until=until, note=None)
    with pytest.raises(NotFoundError):
        resume_schedule(planner, stranger.principal, schedule["public_id"])
