"""Many schedules at once: each is answered by itself, and a dry run changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event, text

from shared.domain.bulk import MAX_BULK, BulkAction, BulkItem, BulkResult
from shared.domain.schedule import Frequency
from shared.errors import InvalidInputError
from shared.flow import bulk as bulk_flow
from shared.flow.bulk import Bulk, act_on_schedules, schedules_of
from shared.flow.pause import set_pauses
from shared.flow.schedules import Planner
from shared.store.engine import PROMPT, create_engine_for
from shared.store.rows import Row
from shared.store.schedule_filters import ScheduleFilter
from tests.factories import Tenant, make_schedule, make_tenant, runs_of
from tests.flow.queues import PausedQueue
from tests.flow.workers import schedule_row

FAR = datetime(2999, 1, 1, tzinfo=UTC)


def manual(engine: Engine, tenant: Tenant) -> Row:
    return make_schedule(engine, tenant, frequency="manual", cron_expression=None)


def act(planner: Planner, tenant: Tenant, bulk: Bulk, *ids: UUID) -> list[BulkItem]:
    return act_on_schedules(planner, tenant.principal, bulk, ids)


def codes(items: list[BulkItem]) -> list[str | None]:
    return [None if item.error is None else item.error.code for item in items]


def refusals(engine: Engine) -> list[str]:
    """Return the codes of what the audit log has as refused."""
    query = text("SELECT code FROM audit_log WHERE outcome = 'refused' ORDER BY seq")
    with engine.connect() as connection:
        return list(connection.execute(query).scalars())


@pytest.mark.parametrize("is_dry_run", [True, False])
def test_each_schedule_is_answered_by_itself_and_strangers_are_not_found(
    engine: Engine, planner: Planner, paused: PausedQueue, tenant: Tenant, is_dry_run: bool
) -> None:
    mine = [manual(engine, tenant) for _ in range(2)]
    theirs = manual(engine, make_tenant(engine))
    busy = manual(engine, tenant)
    act(planner, tenant, Bulk(BulkAction.TRIGGER), busy["public_id"])
    ids = [one["public_id"] for one in (mine[0], theirs, busy, mine[1])]

    items = act(
        planner, tenant, Bulk(BulkAction.TRIGGER, is_dry_run=is_dry_run), *ids, uuid4(), ids[0]
    )

    done, refused = BulkResult.DONE, BulkResult.REFUSED
    assert [item.result for item in items] == [done, refused, refused, done, refused]
    assert codes(items) == [None, "not_found", "run_active", None, "not_found"]
    [active] = runs_of(engine, busy["id"])
    assert items[2].run == active["workspace_connector_sync_log_id"]
    counts = [len(runs_of(engine, one["id"])) for one in (*mine, theirs)]
    assert counts == ([0, 0, 0] if is_dry_run else [1, 1, 0])
    assert len(paused.tasks(paused.interactive)) == (1 if is_dry_run else 3)


@pytest.mark.parametrize("is_dry_run", [True, False])
def test_a_pause_and_a_resume_tell_what_changes_and_what_does_not(
    engine: Engine, planner: Planner, tenant: Tenant, is_dry_run: bool
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 2 1 1 *")
    pause = Bulk(BulkAction.PAUSE, until=FAR, note="moving", is_dry_run=is_dry_run)
    resume = Bulk(BulkAction.RESUME, is_dry_run=is_dry_run)
    key = schedule["public_id"]

    results = [act(planner, tenant, bulk, key)[0].result for bulk in (resume, pause, pause)]

    again = BulkResult.DONE if is_dry_run else BulkResult.UNCHANGED
    assert results == [BulkResult.UNCHANGED, BulkResult.DONE, again]
    stored = schedule_row(engine, schedule["id"])
    expected = (None, None) if is_dry_run else (FAR, "moving")
    assert (stored["paused_until"], stored["pause_note"]) == expected


@pytest.mark.parametrize("is_dry_run", [True, False])
def test_triggers_beyond_the_rate_are_refused(
    engine: Engine, planner: Planner, tenant: Tenant, is_dry_run: bool
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET manual_triggers_per_minute = 2"))
    ids = [manual(engine, tenant)["public_id"] for _ in range(3)]

    items = act(planner, tenant, Bulk(BulkAction.TRIGGER, is_dry_run=is_dry_run), *ids)

    assert codes(items) == [None, None, "rate_limited"]


def test_a_pause_whose_end_has_passed_is_refused_as_a_whole(
    engine: Engine, planner: Planner, tenant: Tenant
) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(0)
    with pytest.raises(InvalidInputError):
        act(planner, tenant, Bulk(BulkAction.PAUSE, until=past), uuid4())


def test_a_filter_names_the_schedules_of_the_workspace_that_have_it_in_common(
    engine: Engine, planner: Planner, tenant: Tenant
) -> None:
    first, second = manual(engine, tenant), manual(engine, tenant)
    make_schedule(engine, tenant, cron_expression="0 2 1 1 *")
    manual(engine, make_tenant(engine))

    found = schedules_of(planner, tenant.principal, ScheduleFilter(frequency=Frequency.MANUAL))

    assert found == [first["public_id"], second["public_id"]]
    for nobodys in (ScheduleFilter(is_paused=True), ScheduleFilter(connector_type="api")):
        assert schedules_of(planner, tenant.principal, nobodys) == []
    everything = ScheduleFilter(is_enabled=True, connector_type="database", is_paused=False)
    assert len(schedules_of(planner, tenant.principal, everything)) == 3


def test_a_filter_of_more_schedules_than_a_call_takes_is_refused(
    engine: Engine, planner: Planner, tenant: Tenant
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "WITH c AS (INSERT INTO workspace_connector"
                " (workspace_id, connector_type, name, config)"
                " SELECT :w, 'database', 'c' || n, '{}' FROM generate_series(1, :count) AS n"
                " RETURNING workspace_id, id, name)"
                " INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency, timezone)"
                " SELECT workspace_id, id, name, 'manual', 'UTC' FROM c"
            ),
            {"w": tenant.workspace_id, "count": MAX_BULK + 1},
        )
    with pytest.raises(InvalidInputError) as caught:
        schedules_of(planner, tenant.principal, ScheduleFilter())
    assert caught.value.problems[0].code == "bulk_size"


@pytest.fixture
def impatient(planner: Planner, database_url: str) -> Iterator[Planner]:
    """Return a planner that does not wait long for others' locks."""
    deadlines = replace(PROMPT, lock=timedelta(milliseconds=100))
    engine = create_engine_for(database_url, deadlines=deadlines)
    yield replace(planner, engine=engine)
    engine.dispose()


@pytest.mark.parametrize("action", [BulkAction.PAUSE, BulkAction.TRIGGER])
def test_a_schedule_that_is_locked_is_told_and_harms_no_other(
    engine: Engine, impatient: Planner, tenant: Tenant, action: BulkAction
) -> None:
    first, held, last = (manual(engine, tenant) for _ in range(3))
    table, key = ("sync_schedule", "id")
    if action is BulkAction.TRIGGER:
        # A run of a connector that is deleted at this moment waits for it by its foreign key.
        table, key = ("workspace_connector", "connector_id")
    with engine.begin() as holding:
        holding.execute(text(f"SELECT FROM {table} WHERE id = {held[key]} FOR UPDATE"))
        items = act(
            impatient, tenant, Bulk(action), *(one["public_id"] for one in (first, held, last))
        )
    assert codes(items) == [None, "database_busy", None]
    assert [item.result for item in items].count(BulkResult.DONE) == 2
    assert refusals(engine) == []


def test_a_refusal_is_in_the_audit_log_also_that_of_the_rate(
    engine: Engine, planner: Planner, paused: PausedQueue, tenant: Tenant
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET manual_triggers_per_minute = 1"))
    ids = [manual(engine, tenant)["public_id"] for _ in range(2)]

    items = act(planner, tenant, Bulk(BulkAction.TRIGGER), ids[0], uuid4(), ids[1])

    assert refusals(engine) == ["not_found", "rate_limited"]
    assert codes(items)[1:] == ["not_found", "rate_limited"]


def test_what_is_left_when_the_database_is_gone_is_told_as_not_tried(
    engine: Engine, planner: Planner, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedules = [manual(engine, tenant) for _ in range(3)]
    calls: list[Sequence[UUID]] = []

    def end_connections(
        planner: Planner, principal: object, page: Sequence[UUID], **named: object
    ) -> object:
        calls.append(page)
        if len(calls) == 2:
            with engine.connect() as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                        " AND backend_type = 'client backend'"
                    )
                )
        return set_pauses(planner, principal, page, **named)

    own = create_engine_for(engine.url.render_as_string(hide_password=False))
    monkeypatch.setattr(bulk_flow, "_PAGE", 1)
    monkeypatch.setattr(bulk_flow, "set_pauses", end_connections)
    ids = [one["public_id"] for one in schedules]
    items = act(replace(planner, engine=own), tenant, Bulk(BulkAction.PAUSE), *ids)
    own.dispose()

    assert codes(items) == [None, "database_unavailable", None]
    assert [item.result for item in items] == [
        BulkResult.DONE,
        BulkResult.REFUSED,
        BulkResult.NOT_TRIED,
    ]
    assert len(calls) == 2


def test_the_same_request_starts_no_run_twice(
    engine: Engine, planner: Planner, paused: PausedQueue, tenant: Tenant
) -> None:
    ids = [manual(engine, tenant)["public_id"] for _ in range(2)]
    bulk = Bulk(BulkAction.TRIGGER, request=uuid4())

    first, again = act(planner, tenant, bulk, ids[0]), act(planner, tenant, bulk, *ids)

    assert [item.result for item in again] == [BulkResult.DONE, BulkResult.DONE]
    assert again[0].run == first[0].run
    other = act(planner, tenant, replace(bulk, request=uuid4()), ids[0])
    assert codes(other) == ["run_active"]


def test_every_run_for_which_there_is_room_gets_its_task_in_few_statements(
    engine: Engine, planner: Planner, paused: PausedQueue, tenant: Tenant
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET max_concurrent_syncs = 45"))
    ids = [manual(engine, tenant)["public_id"] for _ in range(48)]
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    event.listen(engine, "before_cursor_execute", count)
    items = act(planner, tenant, Bulk(BulkAction.TRIGGER), *ids)
    event.remove(engine, "before_cursor_execute", count)

    assert {item.result for item in items} == {BulkResult.DONE}
    assert len(paused.tasks(paused.interactive)) == 45
    assert statements < len(ids)


def test_a_refusal_by_the_rate_says_when_to_ask_again(
    engine: Engine, planner: Planner, tenant: Tenant, paused: PausedQueue
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET manual_triggers_per_minute = 1"))
    ids = [manual(engine, tenant)["public_id"] for _ in range(3)]
    _, *others = act(planner, tenant, Bulk(BulkAction.TRIGGER), *ids)
    for item in others:
        assert item.error is not None
        assert timedelta(0) < item.error.retry_after <= timedelta(minutes=1)
