"""Connectors of which no run was heard for a day are looked at: all of them, fairly, in time."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from shared.clock import utc_now
from shared.connectors.base import SourceAccess, StreamFailure
from shared.domain.fault import Fault
from shared.egress.guard import Guard
from shared.errors import PermanentError
from shared.flow import look, quiet
from shared.flow.attempt import attempt_run
from shared.flow.look import Lookout
from shared.flow.quiet import look_at_quiet_connectors
from shared.logs import fields_of
from shared.store.engine import create_engine_for
from shared.store.rows import Row
from tests.factories import Tenant, at, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import (
    Script,
    call_of,
    due_run,
    make_workshop,
    moved,
    quiet_connector,
    tick,
)

GONE = StreamFailure("flight", PermanentError("No such table.", fault=Fault.NOT_FOUND))
CLAIMED = "shared.flow.quiet.claim_looks"


@pytest.fixture
def lookout(worker_engine: Engine) -> Lookout:
    return Lookout(worker_engine, None, Guard())


def _next_look(engine: Engine, connector_id: int) -> datetime:
    with engine.connect() as connection:
        query = text("SELECT health_next_check_at FROM workspace_connector WHERE id = :id")
        return connection.execute(query, {"id": connector_id}).scalar_one()


def _health(engine: Engine, connector: Row) -> str:
    with engine.connect() as connection:
        query = text("SELECT health FROM workspace_connector WHERE id = :id")
        return connection.execute(query, {"id": connector["id"]}).scalar_one()


def test_a_tick_lets_a_worker_look_when_nothing_was_heard_of_a_connector(
    engine: Engine, paused: PausedQueue, tenant: Tenant
) -> None:
    quiet_connector(engine, tenant)
    tick(engine, paused, at("00:59"))
    assert paused.looks() == []
    for second in (10, 20):
        tick(engine, paused, at(f"01:00:{second}"))
    (task,) = paused.looks()
    assert task.http_request.url.endswith("/worker/look")


def test_quiet_connectors_are_looked_at_once_and_again_when_it_is_time(
    engine: Engine, lookout: Lookout, tenant: Tenant, script: Script
) -> None:
    well, ill = quiet_connector(engine, tenant), quiet_connector(engine, tenant)
    not_due = quiet_connector(engine, tenant, "09:00")
    looked_at: list[object] = []

    def finds(access: SourceAccess) -> Sequence[StreamFailure]:
        looked_at.append(access)
        return [GONE] if len(looked_at) == 1 else []

    script.finds = finds
    assert look_at_quiet_connectors(lookout, now=at("02:00")) == 2
    assert len(looked_at) == 2
    assert {_health(engine, one) for one in (well, ill)} == {"healthy", "unhealthy"}
    assert _health(engine, not_due) == "unknown"
    now = utc_now()
    waits = sorted(_next_look(engine, one["id"]) - now for one in (well, ill))
    assert timedelta(hours=5) < waits[0] <= timedelta(hours=6)
    assert timedelta(hours=21) < waits[1] <= timedelta(days=1)
    assert look_at_quiet_connectors(lookout, now=at("02:01")) == 0


@pytest.mark.parametrize("is_well", [True, False])
def test_a_run_puts_the_look_off_by_more_than_a_day(
    engine: Engine, lookout: Lookout, paused: PausedQueue, script: Script, is_well: bool
) -> None:
    _, run = due_run(engine, paused)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE workspace_connector SET health_next_check_at = '2026-03-02T02:30Z'")
        )
    script.behaviour = lambda *_: moved()
    if not is_well:
        script.raises(PermanentError("No.", code="authorization"))
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))
    assert _next_look(engine, run["connector_id"]) == at("04:00", day="2026-03-03")
    assert look_at_quiet_connectors(lookout, now=at("03:00")) == 0


def test_a_connector_that_runs_often_is_written_to_by_few_of_its_runs(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    schedule, run = due_run(engine, paused)
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE workspace_connector SET health = 'healthy',"
                " health_next_check_at = '2026-03-02T20:00Z'"
            )
        )
    script.behaviour = lambda *_: moved()
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))
    assert _next_look(engine, run["connector_id"]) == at("20:00")
    assert runs_of(engine, schedule["id"])[0]["status"] == "success"


def test_disabled_and_deleted_connectors_and_workspaces_are_left_alone(
    engine: Engine, lookout: Lookout, tenant: Tenant, script: Script
) -> None:
    disabled, deleted = quiet_connector(engine, tenant), quiet_connector(engine, tenant)
    elsewhere = make_tenant(engine)
    quiet_connector(engine, elsewhere)
    with engine.begin() as connection:
        for statement, key in (
            ("UPDATE workspace_connector SET status = 'disabled' WHERE id = :id", disabled["id"]),
            ("UPDATE workspace_connector SET deleted_at = now() WHERE id = :id", deleted["id"]),
            ("UPDATE workspace SET disabled_at = now() WHERE id = :id", elsewhere.workspace_id),
        ):
            connection.execute(text(statement), {"id": key})
    assert look_at_quiet_connectors(lookout, now=at("02:00")) == 0


def test_what_is_left_alone_does_not_wake_a_worker_every_minute(
    engine: Engine, lookout: Lookout, paused: PausedQueue, tenant: Tenant
) -> None:
    connector = quiet_connector(engine, tenant)
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET disabled_at = now()"))
    tick(engine, paused, at("01:01"))
    assert look_at_quiet_connectors(lookout, now=at("01:01")) == 0
    assert _next_look(engine, connector["id"]) == at("01:01", day="2026-03-03")
    tick(engine, paused, at("01:02"))
    assert len(paused.looks()) == 1


def _many(engine: Engine, tenant: Tenant, count: int, due: str) -> None:
    template = quiet_connector(engine, tenant, due)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workspace_connector (workspace_id, connector_type, name, config,"
                " health_next_check_at) SELECT workspace_id, connector_type, 'c' || n, config,"
                " health_next_check_at FROM workspace_connector,"
                " generate_series(2, :count) AS n WHERE id = :id"
            ),
            {"count": count, "id": template["id"]},
        )


@pytest.fixture
def wide(lookout: Lookout) -> Lookout:
    """Return the same with a connection for each look that is under way."""
    url = lookout.engine.url.render_as_string(hide_password=False)
    engine = create_engine_for(url, pool_size=quiet.AT_ONCE + 2)
    yield Lookout(engine, None, Guard())
    engine.dispose()


def test_all_that_are_due_are_looked_at_many_at_once(
    engine: Engine, wide: Lookout, tenant: Tenant, script: Script
) -> None:
    _many(engine, tenant, 100, "01:00")
    inside, most = Counter[str](), Counter[str]()
    lock, enough = threading.Lock(), threading.Event()

    def finds(_access: SourceAccess) -> Sequence[StreamFailure]:
        with lock:
            inside["now"] += 1
            most["most"] = max(most["most"], inside["now"])
            if inside["now"] == 8:
                enough.set()
        assert enough.wait(30), "no eight looks came together"
        with lock:
            inside["now"] -= 1
        return ()

    script.finds = finds
    assert look_at_quiet_connectors(wide, now=at("02:00")) == 100
    assert 8 <= most["most"] <= quiet.AT_ONCE + 1


def test_a_look_that_fails_by_a_fault_of_ours_ends_no_other(
    engine: Engine,
    lookout: Lookout,
    tenant: Tenant,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _many(engine, tenant, 40, "01:00")
    note_health, failed = look.note_health, list[int]()

    def note_health_once_not(connection: Connection, connector: int, *rest: Any, **of: Any) -> Any:
        if not failed:
            failed.append(connector)
            raise ZeroDivisionError("what it says is nobody's business")
        return note_health(connection, connector, *rest, **of)

    monkeypatch.setattr(look, "note_health", note_health_once_not)
    script.finds = lambda _access: ()
    assert look_at_quiet_connectors(lookout, now=at("02:00")) == 39
    [told] = [one for one in caplog.records if one.levelno >= logging.ERROR]
    fields = fields_of(told)
    assert (fields["event"], "business" in str(fields)) == ("look_failed", False)
    assert str(fields["error_class"]).startswith("ZeroDivisionError")
    with lookout.engine.connect() as connection:
        query = text("SELECT public_id FROM workspace_connector WHERE id = :id")
        known = connection.execute(query, {"id": failed[0]}).scalar_one()
    assert fields["connector_id"] == known
    assert look_at_quiet_connectors(lookout, now=at("02:01")) == 0


def test_workspaces_take_turns_however_many_one_has_and_for_how_long(
    engine: Engine,
    lookout: Lookout,
    tenant: Tenant,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _many(engine, tenant, 200, "00:30")  # all of them due before those of the others
    others = [make_tenant(engine) for _ in range(3)]
    for other in others:
        _many(engine, other, 2, "01:30")
    order: list[int] = []
    claim = quiet.claim_looks

    def noted(*arguments: object, **options: object) -> Sequence[Row]:
        rows = claim(*arguments, **options)
        order.extend(row["workspace_id"] for row in rows)
        return rows

    monkeypatch.setattr(CLAIMED, noted)
    script.finds = lambda _access: ()
    assert look_at_quiet_connectors(lookout, now=at("02:00")) == 206
    last_of_others = max(order.index(one.workspace_id) for one in others)
    assert last_of_others < 20


def test_what_there_is_no_time_for_is_left_to_the_next(
    engine: Engine, lookout: Lookout, tenant: Tenant, script: Script
) -> None:
    _many(engine, tenant, 60, "01:00")

    def finds(access: SourceAccess) -> Sequence[StreamFailure]:
        access.lines.pause(0.2)
        return ()

    script.finds = finds
    first = look_at_quiet_connectors(lookout, now=at("02:00"), budget=timedelta(milliseconds=100))
    assert 0 < first < 60
    script.finds = lambda _access: ()
    assert first + look_at_quiet_connectors(lookout, now=at("02:01")) == 60


def test_two_workers_look_at_no_connector_twice(
    engine: Engine, lookout: Lookout, tenant: Tenant, script: Script
) -> None:
    _many(engine, tenant, 40, "01:00")
    seen: list[object] = []
    start = threading.Barrier(2)

    def finds(access: SourceAccess) -> Sequence[StreamFailure]:
        seen.append(access)
        return ()

    def work(counts: list[int]) -> None:
        start.wait()
        counts.append(look_at_quiet_connectors(lookout, now=at("02:00")))

    script.finds = finds
    counts: list[int] = []
    workers: list[Callable[[], None]] = [lambda: work(counts)] * 2
    threads = [threading.Thread(target=one) for one in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(counts) == len(seen) == 40
