from typing import Any

import pytest
from sqlalchemy import Engine

from shared.errors import NotFoundError
from shared.flow import retire as retire_flow
from shared.flow.attempt import AttemptResult, attempt_run
from shared.flow.retire import (
    delete_schedule,
)
from shared.flow.schedules import Planner
from shared.store.history import find_run
from shared.store.schedules import find_schedule
from tests.factories import Tenant, at, make_schedule, make_tenant
from tests.factories import runs_of as runs_of_schedule
from tests.flow.queues import PausedQueue
from tests.flow.retiring import (
    disable_schedule,
    ends,
    every_minute,
    remove_schedule,
    runs_of,
    trigger,
)
from tests.flow.workers import (
    Script,
    call_of,
    fates,
    make_workshop,
    moved,
    public_id,
    schedule_row,
    tick,
)


def test_a_manual_run_in_progress_goes_on_while_its_schedule_is_disabled(
    engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 3 * * *", from_instant=at("02:00"))
    trigger(engine, paused, tenant, schedule)
    [run] = runs_of(engine, schedule)

    def work(_request: object, confirm_lease: Any) -> object:
        disable_schedule(planner, tenant, schedule, "02:01")
        confirm_lease()
        return moved()

    script.behaviour = work
    result = attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00:30"))

    assert result is AttemptResult.RECORDED
    assert ends(engine, schedule) == [("success", None)]


def test_a_deleted_schedule_leaves_its_history_and_room_for_another(
    engine: Engine, paused: PausedQueue, tenant: Tenant, planner: Planner
) -> None:
    schedule = every_minute(engine, paused, tenant)

    remove_schedule(planner, tenant, schedule, "02:01:10")

    assert [run["schedule_id"] for run in runs_of(engine, schedule)] == [None, None]
    with engine.connect() as connection:
        assert find_schedule(connection, tenant.workspace_id, schedule["public_id"]) is None
        run = find_run(connection, tenant.workspace_id, public_id(runs_of(engine, schedule)[0]))
        assert run is not None
        assert run["schedule_public_id"] is None

    connector = schedule["connector_public_id"]
    successor = make_schedule(engine, tenant, connector=connector, from_instant=at("02:01:20"))
    tick(engine, paused, at("02:01:20"))
    # The period that was not reached is the successor's, in the row that it had.
    assert fates(engine, successor) == [("02:02", "scheduled", None)]
    assert ends(engine, schedule) == [("cancelled", "schedule_deleted"), ("scheduled", None)]


def test_a_long_history_is_detached_in_pages(
    engine: Engine,
    paused: PausedQueue,
    tenant: Tenant,
    planner: Planner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule = make_schedule(engine, tenant, from_instant=at("02:00"), missed_run_policy="skip")
    tick(engine, paused, at("02:09:30"))
    count = len(runs_of(engine, schedule))
    pages = []
    detach = retire_flow.detach_runs
    monkeypatch.setattr(retire_flow, "_PAGE", 4)
    monkeypatch.setattr(
        retire_flow,
        "detach_runs",
        lambda *args, **kwargs: pages.append(detach(*args, **kwargs)) or pages[-1],
    )

    remove_schedule(planner, tenant, schedule, "02:09:40")

    assert sum(pages) == count
    assert max(pages) == 4
    assert runs_of_schedule(engine, schedule["id"]) == []


def test_a_run_that_was_asked_for_while_a_schedule_was_being_deleted_ends_too(
    engine: Engine,
    paused: PausedQueue,
    tenant: Tenant,
    planner: Planner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule = every_minute(engine, paused, tenant)
    detach = retire_flow.detach_runs

    def meanwhile(*args: Any, **kwargs: Any) -> int:
        trigger(engine, paused, tenant, schedule)
        return detach(*args, **kwargs)

    monkeypatch.setattr(retire_flow, "detach_runs", meanwhile)
    remove_schedule(planner, tenant, schedule, "02:01:10")

    assert ends(engine, schedule) == [("cancelled", "schedule_deleted")] * 3
    assert {run["schedule_id"] for run in runs_of(engine, schedule)} == {None}


def test_a_deletion_that_was_cut_off_is_completed_by_another(
    engine: Engine,
    paused: PausedQueue,
    tenant: Tenant,
    planner: Planner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule = every_minute(engine, paused, tenant)

    def cut_off(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(retire_flow, "detach_runs", cut_off)
        with pytest.raises(KeyboardInterrupt):
            remove_schedule(planner, tenant, schedule, "02:01:10")
    row = schedule_row(engine, schedule["id"])
    assert (row["is_enabled"], row["next_scheduled_at"]) == (False, None)

    remove_schedule(planner, tenant, schedule, "02:01:20")

    with engine.connect() as connection:
        assert find_schedule(connection, tenant.workspace_id, schedule["public_id"]) is None


def test_a_schedule_of_another_workspace_is_not_found(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    schedule = make_schedule(engine, tenant)
    with pytest.raises(NotFoundError):
        delete_schedule(planner, make_tenant(engine).principal, schedule["public_id"])
    assert schedule_row(engine, schedule["id"])["is_enabled"]
