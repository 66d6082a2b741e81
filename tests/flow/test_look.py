"""A check notes the health of a connector, says what is wrong, and takes a bounded time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from shared.connectors.base import (
    SourceAccess,
    SourceColumn,
    SourceStream,
    StreamFailure,
    SyncResult,
)
from shared.domain.fault import Fault
from shared.egress.files import FilesRoot
from shared.egress.guard import Guard
from shared.errors import NotFoundError, PermanentError, TransientError
from shared.flow import look as look_flow
from shared.flow.attempt import attempt_run
from shared.flow.connectors import change_connector, create_connector
from shared.flow.look import Finding, Lookout, check_connector, streams_of
from shared.flow.quiet import look_at_quiet_connectors
from shared.store.rows import Row
from tests.factories import CONFIG, Tenant, at, make_connector, make_planner, make_tenant
from tests.flow.queues import PausedQueue
from tests.flow.workers import (
    Script,
    call_of,
    due_run,
    make_workshop,
    moved,
    quiet_connector,
)
from tests.gcp.keys import make_key

Finds = Callable[[SourceAccess], Sequence[StreamFailure]]
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
    assert report.findings == [
        Finding(None, "source_unavailable", Fault.REFUSED, "It refuses.", is_transient=True)
    ]
    assert _health(lookout.engine, connector["id"]) == ("unhealthy", "It refuses.")
    script.finds = lambda _access: [GONE]
    report = check_connector(lookout, tenant.principal, connector["public_id"])
    assert report.findings == [
        Finding("flight", "configuration", Fault.NOT_FOUND, "No such table.", is_transient=False)
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
    # That is the deployment's trouble, and says nothing about the connector.
    assert _health(lookout.engine, connector["id"]) == ("unknown", None)


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
    assert list(streams_of(lookout, tenant.principal, connector["public_id"])) == [stream]
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
        (TransientError("Ours.", code="dataset_unavailable"), ("unknown", None)),
        (None, ("healthy", None)),
        (StreamFailure("flight", PermanentError("No.", fault=Fault.LOGIN)), ("unhealthy", "No.")),
        (StreamFailure("flight", PermanentError("Ours.", code="internal")), ("unknown", None)),
    ],
)
def test_a_run_tells_of_the_health_of_its_connector(
    engine: Engine,
    paused: PausedQueue,
    script: Script,
    error: Exception | StreamFailure | None,
    health: tuple[str, str | None],
) -> None:
    _, run = due_run(engine, paused)
    if error is None:
        script.behaviour = lambda *_: moved()
    elif isinstance(error, StreamFailure):
        script.behaviour = lambda *_: replace(moved(), failures=(error,))
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
    quiet_connector(engine, tenant)
    look_at_quiet_connectors(lookout, now=at("02:00"))
    _, run = due_run(engine, paused, tenant=tenant)
    workshop = replace(make_workshop(engine, paused), files=files)
    attempt_run(workshop, call_of(run), now=at("02:00"))
    roots.append(script.requests[0].files.root)
    assert roots == [tmp_path / slug] * 3


def test_a_run_and_a_look_that_find_the_same_say_the_same(
    engine: Engine, lookout: Lookout, paused: PausedQueue, script: Script
) -> None:
    for failure in (
        StreamFailure("flight", PermanentError("No.", code="authorization", fault=Fault.LOGIN)),
        StreamFailure("flight", TransientError("Away.", fault=Fault.UNAVAILABLE)),
        StreamFailure("flight", TransientError("Ours.", code="internal")),
        StreamFailure("flight", TransientError("Full.", code="dataset_busy")),
    ):
        tenant = make_tenant(engine)
        _, run = due_run(engine, paused, tenant=tenant)
        script.behaviour = lambda *_, failure=failure: replace(moved(), failures=(failure,))
        script.finds = lambda _access, failure=failure: [failure]
        by_run = _run(engine, paused, run)
        connector = make_connector(engine, tenant)
        check_connector(lookout, tenant.principal, connector["public_id"])
        assert _health(engine, connector["id"]) == by_run


@pytest.mark.parametrize("finds", [lambda _access: (), lambda _access: [GONE]])
def test_a_look_says_nothing_about_a_config_that_was_changed_meanwhile(
    lookout: Lookout, tenant: Tenant, script: Script, finds: Finds
) -> None:
    connector = make_connector(lookout.engine, tenant)

    def finds_late(access: SourceAccess) -> Sequence[StreamFailure]:
        _change(lookout.engine, tenant, connector)
        return finds(access)

    script.finds = finds_late
    check_connector(lookout, tenant.principal, connector["public_id"])
    assert _health(lookout.engine, connector["id"]) == ("unknown", None)


@pytest.mark.parametrize("error", [None, PermanentError("No.", code="authorization")])
def test_a_run_says_nothing_about_a_config_that_was_changed_meanwhile(
    engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant, error: Exception | None
) -> None:
    _, run = due_run(engine, paused, tenant=tenant)
    with engine.connect() as connection:
        query = text("SELECT public_id FROM workspace_connector WHERE id = :id")
        public_id = connection.execute(query, {"id": run["connector_id"]}).scalar_one()

    def work(*_: object) -> SyncResult:
        _change(engine, tenant, {"public_id": public_id})
        if error is not None:
            raise error
        return replace(moved(), watermarks=())

    script.behaviour = work
    assert _run(engine, paused, run) == ("unknown", None)


def test_a_changed_config_is_looked_at_next(
    lookout: Lookout, tenant: Tenant, script: Script
) -> None:
    connector = make_connector(lookout.engine, tenant)
    script.finds = lambda _access: [GONE]
    check_connector(lookout, tenant.principal, connector["public_id"])
    assert look_at_quiet_connectors(lookout) == 0
    script.finds = lambda _access: ()
    _change(lookout.engine, tenant, connector)
    assert look_at_quiet_connectors(lookout) == 1
    assert _health(lookout.engine, connector["id"]) == ("healthy", None)


def _change(engine: Engine, tenant: Tenant, connector: Row | dict[str, Any]) -> None:
    """Give a connector another config, of which the same streams are read."""
    streams = [{**CONFIG["streams"][0], "look_back_seconds": 60}]
    config = {**CONFIG, "streams": streams}
    planner = make_planner(engine)
    change_connector(planner, tenant.principal, None, connector["public_id"], config=config)


def test_a_stream_that_there_was_no_time_for_is_told_as_such_and_says_nothing(
    lookout: Lookout, tenant: Tenant, script: Script
) -> None:
    connector = make_connector(lookout.engine, tenant)
    left = TransientError("No time.", code="internal", fault=Fault.NOT_LOOKED_AT)
    script.finds = lambda _access: [StreamFailure("later", left)]
    report = check_connector(lookout, tenant.principal, connector["public_id"])
    assert (report.findings, report.not_looked_at, report.is_ok) == ([], ["later"], False)
    assert _health(lookout.engine, connector["id"]) == ("healthy", None)


def test_a_look_begins_with_nothing_more_when_a_part_of_its_time_is_over(
    lookout: Lookout, tenant: Tenant, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_flow, "PATIENCE", timedelta(milliseconds=200))
    connector = make_connector(lookout.engine, tenant)
    seen: list[bool] = []

    def finds(access: SourceAccess) -> Sequence[StreamFailure]:
        seen.append(access.has_time())
        access.lines.pause(0.15)
        seen.append(access.has_time())
        assert access.lines.left(timedelta(seconds=10)) < timedelta(milliseconds=60)
        return ()

    script.finds = finds
    check_connector(lookout, tenant.principal, connector["public_id"])
    assert seen == [True, False]
