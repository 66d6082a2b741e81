"""People see, set and reset where the next sync of a stream starts, but not under a run."""

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from shared.domain.access import Principal
from shared.errors import InvalidInputError, NotFoundError
from shared.flow.attempt import attempt_run
from shared.flow.trigger import RunActiveError
from shared.flow.watermarks import reset_stream, set_watermark
from shared.store.rows import Row
from tests.factories import Tenant, at, make_connector, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import (
    Script,
    call_of,
    due_run,
    make_workshop,
    moved,
    public_id,
    tick,
    watermark_of,
)

STREAM = "flight"


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return make_tenant(engine)


@pytest.fixture
def connector(engine: Engine, tenant: Tenant) -> Row:
    return make_connector(engine, tenant)


def _set(engine: Engine, tenant: Tenant, connector: Row, value: str, **more: str) -> dict:
    rows = set_watermark(
        engine, tenant.principal, connector["public_id"], STREAM, value=value, **more
    )
    (row,) = [row for row in rows if row["stream"] == STREAM]
    return dict(row)


@pytest.mark.parametrize(
    ("written", "type_name", "kept"),
    [
        ("42", "int", "42"),
        ("12.50", "decimal", "12.50"),
        ("2026-03-01", "date", "2026-03-01"),
        ("2026-03-01T08:00:00Z", "datetime", "2026-03-01T08:00:00+00:00"),
        ("2026-03-01T08:00:00", "datetime", "2026-03-01T08:00:00"),
    ],
)
def test_a_first_value_has_the_type_that_it_looks_like(
    engine: Engine, tenant: Tenant, connector: Row, written: str, type_name: str, kept: str
) -> None:
    row = _set(engine, tenant, connector, written)
    assert (row["cursor"], row["value"]) == ("updated_at", {"type": type_name, "value": kept})
    assert row["run"] is None


def test_a_type_that_is_told_wins(engine: Engine, tenant: Tenant, connector: Row) -> None:
    assert _set(engine, tenant, connector, "42", type_name="str")["value"]["type"] == "str"
    assert _set(engine, tenant, connector, "42", type_name="float")["value"]["type"] == "float"


def test_a_value_that_is_there_decides_the_type(
    engine: Engine, tenant: Tenant, connector: Row
) -> None:
    _set(engine, tenant, connector, "2026-03-01T08:00:00Z")
    moved_back = _set(engine, tenant, connector, "2026-02-01T00:00:00+01:00")
    assert moved_back["value"]["value"] == "2026-02-01T00:00:00+01:00"
    with pytest.raises(InvalidInputError, match="of the type datetime"):
        _set(engine, tenant, connector, "soon")
    with pytest.raises(InvalidInputError, match="times with a zone"):
        _set(engine, tenant, connector, "2026-02-01T00:00:00")


@pytest.mark.parametrize("value", ["soon", "NaN", "Infinity", "9999-12-31T23:59:59.999999"])
def test_what_is_no_value_of_a_cursor_is_refused(
    engine: Engine, tenant: Tenant, connector: Row, value: str
) -> None:
    with pytest.raises(InvalidInputError):
        _set(engine, tenant, connector, value)


def test_a_stream_that_is_not_selected_or_has_no_cursor_has_no_watermark(
    engine: Engine, tenant: Tenant
) -> None:
    streams = [{"table": "flight", "primary_key": ["id"]}]
    config = {"url": "postgresql://reader@127.0.0.1:1/source", "streams": streams}
    connector = make_connector(engine, tenant, config=config)
    with pytest.raises(InvalidInputError, match="no cursor"):
        _set(engine, tenant, connector, "1")
    with pytest.raises(NotFoundError, match="no such stream"):
        set_watermark(engine, tenant.principal, connector["public_id"], "hotel", value="1")


def test_a_stranger_has_no_such_connector(engine: Engine, connector: Row) -> None:
    mallory: Principal = make_tenant(engine).principal
    with pytest.raises(NotFoundError):
        set_watermark(engine, mallory, connector["public_id"], STREAM, value="1")
    with pytest.raises(NotFoundError):
        reset_stream(engine, mallory, connector["public_id"], STREAM)


def test_the_next_sync_starts_where_it_was_told_to(
    engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant
) -> None:
    schedule, run = due_run(engine, paused, tenant=tenant)
    connector = _public_id_of(engine, schedule)
    set_watermark(engine, tenant.principal, connector, STREAM, value="3")
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))
    assert script.requests[0].watermarks[STREAM].value == {"type": "int", "value": "3"}
    assert watermark_of(engine, run["connector_id"]) == "7"
    reset_stream(engine, tenant.principal, connector, STREAM)
    assert watermark_of(engine, run["connector_id"]) is None
    with pytest.raises(NotFoundError, match="read as a whole"):
        reset_stream(engine, tenant.principal, connector, STREAM)


def test_a_stream_has_landed_once_a_run_set_its_watermark_or_told_its_table(
    engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant
) -> None:
    schedule, _ = due_run(engine, paused, tenant=tenant, cron_expression="0 2-5 * * *")
    connector = _public_id_of(engine, schedule)
    set_watermark(engine, tenant.principal, connector, STREAM, value="3")
    results = [
        replace(moved(), watermarks=(), finished={STREAM: None}),
        moved(),
        replace(moved(cursor="8"), finished={STREAM: "flight"}),
        moved(cursor="9"),
    ]
    workshop = make_workshop(engine, paused)
    for hour, result in enumerate(results, start=2):
        script.behaviour = lambda *_, result=result: result  # pyright: ignore[reportAttributeAccessIssue]
        tick(engine, paused, at(f"0{hour - 1}:59"))
        attempt_run(workshop, call_of(runs_of(engine, schedule["id"])[-1]), now=at(f"0{hour}:00"))
        if hour == 4:
            set_watermark(engine, tenant.principal, connector, STREAM, value="3")
    landed = [request.landed for request in script.requests]
    assert landed == [frozenset(), frozenset(), {STREAM}, {STREAM}]


def test_nothing_is_set_under_a_run_that_reads_or_goes_on(
    engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant
) -> None:
    schedule, run = due_run(engine, paused, tenant=tenant)
    connector = _public_id_of(engine, schedule)
    refused: list[UUID] = []

    def read(*_: object) -> object:
        with pytest.raises(RunActiveError) as raised:
            set_watermark(engine, tenant.principal, connector, STREAM, value="3")
        refused.append(raised.value.run)
        return replace(moved(), positions={STREAM: {"row": 1}})

    script.behaviour = read  # pyright: ignore[reportAttributeAccessIssue]
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))
    assert refused == [public_id(run)]
    with pytest.raises(RunActiveError):
        reset_stream(engine, tenant.principal, connector, STREAM)


def _public_id_of(engine: Engine, schedule: Row) -> UUID:
    with engine.connect() as connection:
        query = text("SELECT public_id FROM workspace_connector WHERE id = :id")
        return connection.execute(query, {"id": schedule["connector_id"]}).scalar_one()
