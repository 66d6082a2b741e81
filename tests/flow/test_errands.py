"""A sleeping worker is woken a minute before it is needed, and only then."""

from datetime import timedelta

import pytest
from google.auth.exceptions import DefaultCredentialsError
from sqlalchemy import Engine, text

from shared.flow.attempt import attempt_run
from shared.flow.warmth import Instance, warm_up
from shared.gcp.task_queue import CloudTasksQueue
from tests.factories import at, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script, call_of, due_run, make_workshop, moved, tick


def seen_at(engine: Engine, instant: str) -> None:
    """Let a worker have given its last sign of life at an instant."""
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO worker_instance VALUES (gen_random_uuid(), :at, :at)"),
            {"at": at(instant)},
        )


@pytest.mark.parametrize(
    ("now", "last_seen", "is_woken"),
    [
        ("01:59:10", None, True),
        ("01:59:10", "01:40", True),
        ("01:59:10", "01:55", False),
        ("01:58:50", None, False),
    ],
    ids=["never seen", "asleep", "awake", "not due within the minute"],
)
def test_a_tick_wakes_a_sleeping_worker_for_what_is_due_within_a_minute(
    engine: Engine, paused: PausedQueue, now: str, last_seen: str | None, is_woken: bool
) -> None:
    make_schedule(
        engine, make_tenant(engine), from_instant=at("01:00"), cron_expression="0 2 * * *"
    )
    if last_seen is not None:
        seen_at(engine, last_seen)
    tick(engine, paused, at(now))
    woken = paused.warm_ups()
    assert len(woken) == is_woken
    for task in woken:
        assert task.http_request.url.endswith("/worker/warm-up")
        assert task.http_request.oidc_token.audience.endswith("/worker")


def test_ticks_of_one_minute_wake_it_once(engine: Engine, paused: PausedQueue) -> None:
    make_schedule(
        engine, make_tenant(engine), from_instant=at("01:00"), cron_expression="0 2 * * *"
    )
    for second in (10, 20, 30):
        tick(engine, paused, at(f"01:59:{second}"))
    assert len(paused.warm_ups()) == 1


def test_nobody_is_woken_while_a_worker_is_in_the_middle_of_a_run(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused, cron_expression="0,5 2 * * *")
    before = len(paused.warm_ups())

    def long(*_: object) -> object:
        with engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE workspace_connector_sync_log SET lease_expires_at = :at"
                    " WHERE status = 'in_progress'"
                ),
                {"at": at("02:30")},
            )
        tick(engine, paused, at("02:04:30"))
        return moved()

    script.behaviour = long
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:01"))
    assert len(runs_of(engine, schedule["id"])) > 1
    assert len(paused.warm_ups()) == before


def test_when_cloud_tasks_does_not_take_the_call_the_tick_goes_on(
    engine: Engine, paused: PausedQueue
) -> None:
    make_schedule(
        engine, make_tenant(engine), from_instant=at("01:00"), cron_expression="0 2 * * *"
    )
    seen_at(engine, "01:58")
    tick(engine, paused, at("01:59:10"))  # makes the run's task
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM worker_instance"))
    paused.client.delete_queue(name=paused.interactive)
    tick(engine, paused, at("01:59:20"))


def test_when_nobody_can_say_whether_a_worker_sleeps_the_tick_goes_on(
    engine: Engine, paused: PausedQueue
) -> None:
    schedule = make_schedule(
        engine, make_tenant(engine), from_instant=at("01:00"), cron_expression="0 2 * * *"
    )
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE worker_instance RENAME TO somewhere_else"))
    tick(engine, paused, at("01:59:10"))
    assert len(runs_of(engine, schedule["id"])) == 1
    assert paused.warm_ups() == []


def test_a_sign_of_life_that_is_missed_is_given_by_the_next_request(engine: Engine) -> None:
    instance = Instance()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE worker_instance RENAME TO somewhere_else"))
    instance.note_alive(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE somewhere_else RENAME TO worker_instance"))
    instance.note_alive(engine)
    with engine.connect() as connection:
        seen = connection.execute(text("SELECT count(*) FROM worker_instance")).scalar_one()
    assert seen == 1


def test_a_warm_up_that_fails_says_so_and_raises_nothing(engine: Engine) -> None:
    def no_credentials() -> CloudTasksQueue:
        raise DefaultCredentialsError("none")

    assert not warm_up(engine, no_credentials)


def test_an_instance_is_cold_once_and_gives_at_most_one_sign_of_life_a_minute(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("shared.flow.warmth.monotonic", lambda: now[0])
    instance = Instance()
    assert [instance.begin_request() for _ in range(3)] == [True, False, False]

    def seen() -> object:
        with engine.connect() as connection:
            query = text("SELECT started_at, last_seen_at FROM worker_instance")
            return connection.execute(query).one()

    instance.note_alive(engine)
    first = seen()
    now[0] += 59
    instance.note_alive(engine)
    assert seen() == first
    now[0] += 2
    instance.note_alive(engine)
    started_at, last_seen_at = seen()
    assert started_at == first.started_at
    assert last_seen_at > first.last_seen_at


def test_instances_that_were_not_seen_for_a_day_are_forgotten(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO worker_instance SELECT gen_random_uuid(), at, at"
                " FROM (VALUES (now() - CAST(:old AS interval)), (now())) AS v (at)"
            ),
            {"old": timedelta(hours=25)},
        )
    Instance().note_alive(engine)
    with engine.connect() as connection:
        left = connection.execute(text("SELECT count(*) FROM worker_instance")).scalar_one()
    assert left == 2
