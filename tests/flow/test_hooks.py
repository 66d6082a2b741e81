"""What sources report becomes at most one waiting run beside the one that reads."""

import threading
from collections import Counter
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from shared.connectors.base import SyncResult
from shared.domain.unread import Obstacle
from shared.errors import BusyError, TransientError
from shared.flow.attempt import AttemptResult, attempt_run
from shared.flow.hooks import (
    HookDesk,
    HookReceipt,
    HookRefusedError,
    HookResult,
)
from shared.flow.pause import pause_schedule
from shared.flow.retire import delete_connector, disable_connector
from shared.flow.schedules import Planner, change_schedule
from shared.flow.trigger import trigger_schedule
from shared.flow.webhook_endpoints import remove_endpoint
from shared.gcp.local_key import LocalKey
from shared.store.engine import create_engine_for
from shared.store.hooks import prune_deliveries
from shared.store.rows import Row
from tests.factories import Tenant, events_of, runs_of
from tests.flow.hooking import (
    NOON,
    WINDOW,
    Source,
    make_desk,
)
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script, call_of, make_workshop, moved, tick

pytest_plugins = ("tests.flow.hook_fixtures",)
SECOND = timedelta(seconds=1)


def test_a_report_starts_a_run_at_the_end_of_the_window_with_its_task_made_at_once(
    engine: Engine, paused: PausedQueue, desk: HookDesk, source: Source, schedule: Row
) -> None:
    assert source.reports(desk) is HookResult.ACCEPTED

    [run] = runs_of(engine, schedule["id"])
    assert (run["trigger_type"], run["status"]) == ("webhook", "scheduled")
    assert run["not_before_at"] == NOON + WINDOW
    assert events_of(engine, run["id"]) == ["requested", "enqueued"]
    assert len(paused.tasks(paused.interactive)) == 1


def test_reports_within_the_window_share_a_run(
    engine: Engine, desk: HookDesk, source: Source, schedule: Row
) -> None:
    results = {source.reports(desk, now=NOON + n * SECOND) for n in range(12)}

    assert results == {HookResult.ACCEPTED}
    assert len(runs_of(engine, schedule["id"])) == 1


def test_a_message_that_comes_again_starts_nothing(
    engine: Engine,
    paused: PausedQueue,
    desk: HookDesk,
    source: Source,
    schedule: Row,
    script: Script,
) -> None:
    source.reports(desk, "msg_1")
    [run] = runs_of(engine, schedule["id"])
    workshop = make_workshop(engine, paused)
    attempt_run(workshop, call_of(run), now=NOON + WINDOW)

    again = source.reports(desk, "msg_1", now=NOON + 2 * WINDOW)

    assert again is HookResult.SEEN
    assert [run["status"] for run in runs_of(engine, schedule["id"])] == ["success"]


def test_what_changes_while_a_run_reads_gets_one_run_after_it(
    engine: Engine,
    paused: PausedQueue,
    desk: HookDesk,
    source: Source,
    schedule: Row,
    script: Script,
) -> None:
    source.reports(desk)
    [run] = runs_of(engine, schedule["id"])
    workshop = make_workshop(engine, paused)

    def read(*_: object) -> SyncResult:
        for n in range(3):
            source.reports(desk, now=NOON + WINDOW + n * SECOND)
        return moved()

    script.behaviour = read
    attempt_run(workshop, call_of(run), now=NOON + WINDOW)

    first, second = runs_of(engine, schedule["id"])
    assert (first["status"], second["status"]) == ("success", "scheduled")
    script.behaviour = lambda *_: moved()
    assert attempt_run(workshop, call_of(second), now=NOON + 3 * WINDOW) is AttemptResult.RECORDED


def test_a_run_that_waits_for_its_retry_and_read_nothing_stands_for_later_reports(
    engine: Engine,
    paused: PausedQueue,
    desk: HookDesk,
    source: Source,
    schedule: Row,
    script: Script,
) -> None:
    source.reports(desk)
    [run] = runs_of(engine, schedule["id"])
    script.raises(TransientError("The source is away."))
    attempt_run(make_workshop(engine, paused), call_of(run), now=NOON + WINDOW)

    assert source.reports(desk, now=NOON + 2 * WINDOW) is HookResult.ACCEPTED

    assert [run["status"] for run in runs_of(engine, schedule["id"])] == ["scheduled"]


def test_a_thousand_reports_at_once_make_at_most_two_runs(
    engine: Engine,
    database_url: str,
    paused: PausedQueue,
    key: LocalKey,
    source: Source,
    schedule: Row,
    script: Script,
) -> None:
    crowd = create_engine_for(database_url, pool_size=12)
    desk = make_desk(crowd, paused, key)
    now = _database_now(engine)
    results, errors = Counter[HookResult](), list[Exception]()
    lock = threading.Lock()

    def send(count: int) -> None:
        for _ in range(count):
            try:
                result = source.reports(desk, at=now, now=None)
            except Exception as error:  # noqa: BLE001 (what it raises is what the test looks at)
                errors.append(error)
                return
            with lock:
                results[result] += 1

    senders = [threading.Thread(target=send, args=(50,)) for _ in range(20)]
    for sender in senders:
        sender.start()
    # A worker takes the first run while they come, so that more than one has to wait.
    worker = threading.Thread(target=_take_first, args=(engine, paused, schedule))
    worker.start()
    for thread in (*senders, worker):
        thread.join()
    crowd.dispose()

    assert errors == []
    assert results == {HookResult.ACCEPTED: 1_000}
    assert len(runs_of(engine, schedule["id"])) in (1, 2)


def test_the_same_message_from_many_at_once_is_taken_once(
    engine: Engine,
    database_url: str,
    paused: PausedQueue,
    key: LocalKey,
    source: Source,
) -> None:
    crowd = create_engine_for(database_url, pool_size=12)
    desk = make_desk(crowd, paused, key)
    now, results = _database_now(engine), list[HookResult]()
    senders = [
        threading.Thread(
            target=lambda: results.append(source.reports(desk, "msg_1", at=now, now=None))
        )
        for _ in range(12)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    crowd.dispose()

    assert Counter(results) == {HookResult.ACCEPTED: 1, HookResult.SEEN: 11}


def test_more_reports_than_the_rate_are_told_when_to_come_again(
    engine: Engine, paused: PausedQueue, key: LocalKey, source: Source
) -> None:
    desk = make_desk(engine, paused, key, per_minute=6)
    for _ in range(6):
        source.reports(desk)

    with pytest.raises(BusyError) as caught:
        source.reports(desk, "msg_late")

    assert caught.value.retry_after == timedelta(seconds=10)
    # What was refused was not taken for seen.
    assert source.reports(desk, "msg_late", now=NOON + WINDOW) is HookResult.ACCEPTED


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_message_of_another_time_is_refused(desk: HookDesk, source: Source, minutes: int) -> None:
    with pytest.raises(HookRefusedError):
        source.reports(desk, at=NOON + timedelta(minutes=minutes))


def test_an_unknown_endpoint_and_a_wrong_signature_are_refused_alike(
    desk: HookDesk, source: Source
) -> None:
    wrong = Source(source.endpoint, "whsec_" + "A" * 44)
    nowhere = Source(uuid4(), source.secret)

    with pytest.raises(HookRefusedError) as first:
        wrong.reports(desk)
    with pytest.raises(HookRefusedError) as second:
        nowhere.reports(desk)

    assert str(first.value) == str(second.value)


def test_a_deleted_endpoint_takes_nothing(
    engine: Engine, tenant: Tenant, desk: HookDesk, source: Source
) -> None:
    source.reports(desk)
    remove_endpoint(engine, tenant.principal, source.endpoint)
    with pytest.raises(HookRefusedError):
        source.reports(desk)


def test_the_endpoints_of_a_deleted_connector_are_gone_with_their_secrets(
    engine: Engine, tenant: Tenant, planner: Planner, desk: HookDesk, source: Source, schedule: Row
) -> None:
    source.reports(desk)
    delete_connector(planner, tenant.principal, schedule["connector_public_id"])

    with pytest.raises(HookRefusedError):
        source.reports(desk)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM webhook_endpoint")).scalar_one() == 0


def test_reports_for_what_may_not_run_start_nothing_and_are_kept(
    engine: Engine, tenant: Tenant, planner: Planner, desk: HookDesk, source: Source, schedule: Row
) -> None:
    pause_schedule(
        planner, tenant.principal, schedule["public_id"], until=None, note=None, now=NOON
    )
    paused = source.hands_in(desk)
    disable_connector(planner, tenant.principal, schedule["connector_public_id"])
    disabled = source.hands_in(desk)

    assert paused == HookReceipt(HookResult.ACCEPTED, Obstacle.PAUSED)
    assert disabled == HookReceipt(HookResult.ACCEPTED, Obstacle.CONNECTOR_DISABLED)
    assert runs_of(engine, schedule["id"]) == []


def test_what_is_ignored_is_not_remembered(
    tenant: Tenant, planner: Planner, desk: HookDesk, source: Source, schedule: Row
) -> None:
    whose = (planner, tenant.principal, schedule["public_id"])
    change_schedule(*whose, {"frequency": "manual"})
    assert [source.reports(desk, "msg_1") for _ in range(2)] == [HookResult.IGNORED] * 2

    change_schedule(*whose, {"frequency": "realtime"})
    assert source.reports(desk, "msg_1") is HookResult.ACCEPTED


def test_a_person_may_start_a_run_while_one_of_a_report_waits(
    engine: Engine,
    paused: PausedQueue,
    tenant: Tenant,
    desk: HookDesk,
    source: Source,
    schedule: Row,
) -> None:
    source.reports(desk)
    row = trigger_schedule(engine, lambda: paused.queue, tenant.principal, schedule["public_id"])
    assert row["trigger_type"] == "manual"


def test_messages_are_forgotten_in_pages_when_no_copy_can_come(
    engine: Engine, desk: HookDesk, source: Source
) -> None:
    for _ in range(5):
        source.reports(desk)

    later = NOON + timedelta(hours=2)
    with engine.begin() as connection:
        assert prune_deliveries(connection, now=NOON, page=3) == 0
        counts = [prune_deliveries(connection, now=later, page=3) for _ in range(3)]
    assert counts == [3, 2, 0]


def _queue(desk: HookDesk) -> PausedQueue:
    return PausedQueue(desk.open_queue(), None, None, "", "")  # pyright: ignore[reportArgumentType]


def test_a_tick_forgets_messages_of_which_no_copy_can_come(
    engine: Engine, paused: PausedQueue, desk: HookDesk, source: Source
) -> None:
    source.reports(desk)
    tick(engine, paused, NOON + timedelta(hours=2))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM webhook_delivery")).scalar_one() == 0


def _database_now(engine: Engine) -> datetime:
    with engine.connect() as connection:
        return connection.execute(text("SELECT now()")).scalar_one()


def _take_first(engine: Engine, paused: PausedQueue, schedule: Row) -> None:
    while not (runs := runs_of(engine, schedule["id"])):
        pass
    later = runs[0]["not_before_at"]
    attempt_run(make_workshop(engine, paused), call_of(runs[0]), now=later)
