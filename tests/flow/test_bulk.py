"""Many schedules at once: each is answered by itself, and a dry run changes nothing."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from shared.domain.bulk import MAX_BULK, BulkAction, BulkItem, BulkResult
from shared.domain.schedule import Frequency
from shared.errors import InvalidInputError
from shared.flow.bulk import Bulk, act_on_schedules, schedules_of
from shared.flow.schedules import Planner
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
