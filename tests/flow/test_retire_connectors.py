from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from shared.errors import ConflictError, NotFoundError
from shared.flow.retire import delete_connector, disable_connector, enable_connector
from shared.flow.schedules import Planner
from shared.store.connectors import find_connector, list_connectors
from shared.store.history import find_run
from shared.store.schedules import find_schedule, list_schedules
from tests.factories import Tenant, at, make_connector, make_schedule, make_tenant
from tests.flow.queues import PausedQueue
from tests.flow.retiring import disable, enable, ends, every_minute, remove, runs_of, trigger
from tests.flow.workers import fates, public_id, schedule_row, tick


def test_what_was_missed_is_decided_before_a_connector_is_disabled(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 * * * *", from_instant=at("00:30"))

    disable(planner, tenant, schedule, "03:30")

    assert fates(engine, schedule) == [
        ("01:00", "skipped", "coalesced"),
        ("02:00", "skipped", "coalesced"),
        ("03:00", "cancelled", "connector_disabled"),
    ]


def test_the_periods_of_a_disabled_connector_are_skipped_and_enabling_fires_no_backlog(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 2 * * *", from_instant=at("03:00"))

    assert disable(planner, tenant, schedule, "03:00")["status"] == "disabled"
    tick(engine, paused, at("02:00:10", day="2026-03-03"))
    # The dispatcher was away on the second day: enabling decides what is left.
    enabled = enable_connector(
        planner,
        tenant.principal,
        schedule["connector_public_id"],
        now=at("12:00", day="2026-03-04"),
    )
    tick(engine, paused, at("12:01", day="2026-03-04"))

    assert enabled["status"] == "connected"
    assert ends(engine, schedule) == [("skipped", "connector_unavailable")] * 2
    row = schedule_row(engine, schedule["id"])
    assert row["next_scheduled_at"] == at("02:00", day="2026-03-05")
    assert paused.tasks() == []


def test_enabling_at_once_takes_up_the_periods_ahead_that_disabling_cancelled(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = every_minute(engine, paused, tenant)
    disable(planner, tenant, schedule, "02:01:10")

    enable(planner, tenant, schedule, "02:01:20")

    assert fates(engine, schedule) == [
        ("02:01", "cancelled", "connector_disabled"),
        ("02:02", "scheduled", None),
    ]
    newest = runs_of(engine, schedule)[1]
    assert newest["cloud_task_id"] in {task.name for task in paused.tasks()}


def test_a_disabled_connector_is_not_triggered(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant)
    disable(planner, tenant, schedule, "02:00")
    with pytest.raises(ConflictError, match="The connector is disabled"):
        trigger(engine, paused, tenant, schedule)


def test_disabling_and_enabling_twice_is_doing_it_once(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = every_minute(engine, paused, tenant)
    first = disable(planner, tenant, schedule, "02:00:50")
    assert disable(planner, tenant, schedule, "02:00:51") == first
    second = enable(planner, tenant, schedule, "02:00:52")
    before = runs_of(engine, schedule)

    assert enable(planner, tenant, schedule, "02:00:53") == second
    assert runs_of(engine, schedule) == before


def test_a_connector_without_a_schedule_is_disabled_enabled_and_deleted(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    connector = make_connector(engine, tenant)["public_id"]
    assert disable_connector(planner, tenant.principal, connector)["status"] == "disabled"
    assert enable_connector(planner, tenant.principal, connector)["status"] == "connected"
    delete_connector(planner, tenant.principal, connector)
    with engine.connect() as connection:
        assert find_connector(connection, tenant.workspace_id, connector) is None


@pytest.mark.parametrize("status", ["pending_authorization", "needs_reauthorization"])
def test_a_connector_that_waits_for_its_authorization_keeps_saying_so(
    engine: Engine, tenant: Tenant, planner: Planner, status: str
) -> None:
    connector = make_connector(engine, tenant)["public_id"]
    with engine.begin() as connection:
        query = text("UPDATE workspace_connector SET status = :status")
        connection.execute(query, {"status": status})

    with pytest.raises(ConflictError, match="nothing to disable") as caught:
        disable_connector(planner, tenant.principal, connector)

    assert caught.value.code == "connector_unavailable"
    assert enable_connector(planner, tenant.principal, connector)["status"] == status


def test_a_deleted_connector_takes_its_schedule_along_and_leaves_its_runs(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = every_minute(engine, paused, tenant)
    first, _ = runs_of(engine, schedule)

    remove(planner, tenant, schedule, "02:01:10")
    tick(engine, paused, at("02:10"))

    with engine.connect() as connection:
        workspace_id = tenant.workspace_id
        assert list_connectors(connection, workspace_id, after_id=0, limit=9) == []
        assert list_schedules(connection, workspace_id, after_id=0, limit=9) == []
        assert find_schedule(connection, workspace_id, schedule["public_id"]) is None
        run = find_run(connection, workspace_id, public_id(first))
        assert run is not None
        assert run["schedule_public_id"] == schedule["public_id"]
    assert len(runs_of(engine, schedule)) == 2


def test_the_name_of_a_deleted_connector_is_free_and_its_secrets_are_gone(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    connector = make_connector(engine, tenant, name="Flights")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO connector_credential (connector_id, workspace_id, ciphertext, nonce,"
                " wrapped_key, key_version) SELECT id, workspace_id, 'x', 'x', 'x', 'x'"
                " FROM workspace_connector"
            )
        )

    delete_connector(planner, tenant.principal, connector["public_id"])

    assert make_connector(engine, tenant, name="Flights")["name"] == "Flights"
    with engine.connect() as connection:
        secrets = connection.execute(text("SELECT * FROM connector_credential")).all()
    assert secrets == []


@pytest.mark.parametrize("act", [disable_connector, enable_connector, delete_connector])
def test_a_connector_of_another_workspace_is_not_found(
    engine: Engine, tenant: Tenant, planner: Planner, act: Callable[..., object]
) -> None:
    connector = make_connector(engine, tenant)["public_id"]
    stranger = make_tenant(engine).principal
    for one in (connector, uuid4()):
        with pytest.raises(NotFoundError):
            act(planner, stranger, one)
