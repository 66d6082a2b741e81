"""A check notes the health of a connector, says what is wrong, and takes a bounded time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from shared.clock import utc_now
from shared.connectors.base import SourceAccess, SourceColumn, SourceStream, StreamFailure
from shared.domain.fault import Fault
from shared.egress.files import FilesRoot
from shared.egress.guard import Guard
from shared.errors import NotFoundError, PermanentError, TransientError
from shared.flow import look as look_flow
from shared.flow.attempt import attempt_run
from shared.flow.connectors import create_connector
from shared.flow.look import (
    Finding,
    Lookout,
    check_connector,
    look_at_quiet_connectors,
    streams_of,
)
from shared.store.rows import Row
from tests.factories import CONFIG, Tenant, at, make_connector, make_tenant
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script, call_of, due_run, make_workshop, moved, tick
from tests.gcp.keys import make_key

GONE = StreamFailure("flight", PermanentError("No such table.", fault=Fault.NOT_FOUND))


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return make_tenant(engine)


@pytest.fixture
def lookout(engine: Engine) -> Lookout:
    return Lookout(engine, None, Guard())


def _health(engine: Engine, connector_id: int) -> tuple[str, str | None]:
    with engine.connect() as connection:
        query = text("SELECT health, health_reason FROM workspace_connector WHERE id = :id")
        health, reason = connection.execute(query, {"id": connector_id}).one()
        return health, reason


def _raise(error: Exception) -> Callable[[SourceAccess], Sequence[StreamFailure]]:
    def finds(_access: SourceAccess) -> Sequence[StreamFailure]:
        raise error

    return finds


def test_a_connector_that_works_is_healthy(
    lookout: Lookout, tenant: Tenant, script: Script
) -> None:
    connector = make_connector(lookout.engine, tenant)
    report = check_connector(lookout, tenant.principal, connector["public_id"])
    assert report.findings == []
    assert _health(lookout.engine, connector["id"]) == ("healthy", None)


def test_whatever_stands_in_the_way_is_named_and_makes_it_unhealthy(
    lookout: Lookout, tenant: Tenant, script: Script
) -> None:
    connector = make_connector(lookout.engine, tenant)
    script.finds = _raise(TransientError("It refuses.", fault=Fault.REFUSED))
    report = check_connector(lookout, tenant.principal, connector["public_id"])
    assert report.findings == [Finding(None, Fault.REFUSED, "It refuses.", is_transient=True)]
    assert _health(lookout.engine, connector["id"]) == ("unhealthy", "It refuses.")
    script.finds = lambda _access: [GONE]
    report = check_connector(lookout, tenant.principal, connector["public_id"])
    assert report.findings == [
        Finding("flight", Fault.NOT_FOUND, "No such table.", is_transient=False)
    ]
    assert _health(lookout.engine, connector["id"]) == ("unhealthy", "No such table.")


def test_secrets_that_do_not_open_are_a_finding(
    lookout: Lookout, tenant: Tenant, script: Script, tmp_path: Path
) -> None:
    config = {**CONFIG, "password": "secret"}
    connector = create_connector(
        lookout.engine,
        tenant.principal,
        make_key(tmp_path / "key"),
        slug="database",
        name="sealed",
        config=config,
    )
    (finding,) = check_connector(lookout, tenant.principal, connector["public_id"]).findings
    assert finding.fault is Fault.SETTINGS
    assert "no key" in finding.message


def test_a_look_that_takes_too_long_is_cut_and_told_as_such(
    lookout: Lookout, tenant: Tenant, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_flow, "PATIENCE", timedelta(milliseconds=50))
    connector = make_connector(lookout.engine, tenant)

    def wait_until_cut(access: SourceAccess) -> Sequence[StreamFailure]:
        until = time.monotonic() + 60
        access.lines.pause(60)
        assert time.monotonic() < until
        raise TransientError("The connection broke.", fault=Fault.UNAVAILABLE)

    script.finds = wait_until_cut
    (finding,) = check_connector(lookout, tenant.principal, connector["public_id"]).findings
    assert finding.fault is Fault.TIMEOUT


def test_what_the_source_offers_is_told_or_what_keeps_it_from_that(
    lookout: Lookout, tenant: Tenant, script: Script
) -> None:
    connector = make_connector(lookout.engine, tenant)
    column = SourceColumn("id", "BIGINT", is_nullable=False)
    stream = SourceStream("flight", "table", ("id",), (), (column,), {"table": "flight"})
    script.offers = [stream]
    assert streams_of(lookout, tenant.principal, connector["public_id"]) == [stream]
    script.finds = _raise(PermanentError("It refuses.", fault=Fault.LOGIN))
    with pytest.raises(PermanentError, match="It refuses"):
        streams_of(lookout, tenant.principal, connector["public_id"])


def test_a_stranger_has_no_such_connector(lookout: Lookout, tenant: Tenant, script: Script) -> None:
    connector = make_connector(lookout.engine, tenant)
    mallory = make_tenant(lookout.engine).principal
    for look in (check_connector, streams_of):
        with pytest.raises(NotFoundError):
            look(lookout, mallory, connector["public_id"])


def _run(engine: Engine, paused: PausedQueue, run: Row) -> tuple[str, str | None]:
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))
    return _health(engine, run["connector_id"])


@pytest.mark.parametrize(
    ("error", "health"),
    [
        (PermanentError("No.", code="authorization"), ("unhealthy", "No.")),
        (PermanentError("No.", code="configuration"), ("unhealthy", "No.")),
        (TransientError("Later.", code="source_unavailable"), ("unknown", None)),
        (PermanentError("Ours.", code="internal"), ("unknown", None)),
        (None, ("healthy", None)),
    ],
)
def test_a_run_tells_of_the_health_of_its_connector(
    engine: Engine,
    paused: PausedQueue,
    script: Script,
    error: Exception | None,
    health: tuple[str, str | None],
) -> None:
    _, run = due_run(engine, paused)
    if error is None:
        script.behaviour = lambda *_: moved()
    else:
        script.raises(error)
    assert _run(engine, paused, run) == health


def test_a_connector_that_somebody_changes_does_not_keep_a_result_waiting(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    _, run = due_run(engine, paused)
    with engine.begin() as connection:
        query = text("SELECT FROM workspace_connector WHERE id = :id FOR NO KEY UPDATE")
        connection.execute(query, {"id": run["connector_id"]})
        assert _run(engine, paused, run) == ("unknown", None)


def _quiet(engine: Engine, tenant: Tenant, due: str = "01:00") -> Row:
    """Return a connector whose look is due."""
    connector = make_connector(engine, tenant)
    with engine.begin() as connection:
        query = text("UPDATE workspace_connector SET health_next_check_at = :at WHERE id = :id")
        connection.execute(query, {"at": at(due), "id": connector["id"]})
    return connector


def _next_look(engine: Engine, connector: Row) -> datetime:
    with engine.connect() as connection:
        query = text("SELECT health_next_check_at FROM workspace_connector WHERE id = :id")
        return connection.execute(query, {"id": connector["id"]}).scalar_one()


def test_a_tick_lets_a_worker_look_when_nothing_was_heard_of_a_connector(
    engine: Engine, paused: PausedQueue, tenant: Tenant
) -> None:
    _quiet(engine, tenant)
    tick(engine, paused, at("00:59"))
    assert paused.looks() == []
    for second in (10, 20):
        tick(engine, paused, at(f"01:00:{second}"))
    (task,) = paused.looks()
    assert task.http_request.url.endswith("/worker/look")


def test_quiet_connectors_are_looked_at_once_and_again_a_day_later(
    lookout: Lookout, tenant: Tenant, script: Script
) -> None:
    engine = lookout.engine
    well, ill, not_due = (
        _quiet(engine, tenant),
        _quiet(engine, tenant),
        _quiet(engine, tenant, "09:00"),
    )
    looked_at: list[object] = []

    def finds(access: SourceAccess) -> Sequence[StreamFailure]:
        looked_at.append(access)
        return [GONE] if len(looked_at) == 1 else []

    script.finds = finds
    assert look_at_quiet_connectors(lookout, now=at("02:00")) == 2
    assert len(looked_at) == 2
    assert {_health(engine, one["id"])[0] for one in (well, ill)} == {"healthy", "unhealthy"}
    assert _health(engine, not_due["id"]) == ("unknown", None)
    now = utc_now()
    waits = sorted(_next_look(engine, one) - now for one in (well, ill))
    assert timedelta(minutes=50) < waits[0] <= timedelta(hours=1)
    assert timedelta(hours=23) < waits[1] <= timedelta(days=1)
    assert look_at_quiet_connectors(lookout, now=at("02:01")) == 0


def test_a_connector_whose_runs_tell_of_it_is_put_off_and_not_looked_at(
    engine: Engine, lookout: Lookout, paused: PausedQueue, script: Script
) -> None:
    _, run = due_run(engine, paused)
    assert _run(engine, paused, run) == ("healthy", None)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE workspace_connector SET health_next_check_at = '2026-01-01'")
        )
    assert look_at_quiet_connectors(lookout, now=at("03:00")) == 0
    with engine.connect() as connection:
        query = text("SELECT health_next_check_at FROM workspace_connector")
        assert connection.execute(query).scalar_one() > at("23:00")


def test_disabled_and_deleted_connectors_and_workspaces_are_left_alone(
    lookout: Lookout, tenant: Tenant, script: Script
) -> None:
    engine = lookout.engine
    disabled, deleted = _quiet(engine, tenant), _quiet(engine, tenant)
    elsewhere = make_tenant(engine)
    _quiet(engine, elsewhere)
    with engine.begin() as connection:
        for statement, key in (
            ("UPDATE workspace_connector SET status = 'disabled' WHERE id = :id", disabled["id"]),
            ("UPDATE workspace_connector SET deleted_at = now() WHERE id = :id", deleted["id"]),
            ("UPDATE workspace SET disabled_at = now() WHERE id = :id", elsewhere.workspace_id),
        ):
            connection.execute(text(statement), {"id": key})
    assert look_at_quiet_connectors(lookout, now=at("02:00")) == 0


def test_a_workspace_reads_the_files_in_its_own_folder(
    engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant, tmp_path: Path
) -> None:
    with engine.connect() as connection:
        query = text("SELECT slug FROM workspace WHERE id = :id")
        slug = connection.execute(query, {"id": tenant.workspace_id}).scalar_one()
    roots: list[Path | None] = []

    def finds(access: SourceAccess) -> Sequence[StreamFailure]:
        roots.append(access.files.root)
        return []

    script.finds = finds
    files = FilesRoot(tmp_path)
    lookout = Lookout(engine, None, Guard(), files)
    connector = make_connector(engine, tenant)
    check_connector(lookout, tenant.principal, connector["public_id"])
    _quiet(engine, tenant)
    look_at_quiet_connectors(lookout, now=at("02:00"))
    _, run = due_run(engine, paused, tenant=tenant)
    workshop = replace(make_workshop(engine, paused), files=files)
    attempt_run(workshop, call_of(run), now=at("02:00"))
    roots.append(script.requests[0].files.root)
    assert roots == [tmp_path / slug] * 3
