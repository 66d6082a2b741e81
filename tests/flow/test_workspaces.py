from collections.abc import Callable

import pytest
from sqlalchemy import Connection, Engine, text

from shared.errors import ConflictError, ForbiddenError, NotFoundError, UnauthenticatedError
from shared.flow import workspaces as workspaces_flow
from shared.flow.attempt import AttemptResult, attempt_run
from shared.flow.schedules import Planner, change_schedule
from shared.flow.workspaces import disable_workspace, enable_workspace
from shared.store.connectors import insert_credential
from shared.store.rows import Row
from tests.factories import (
    Tenant,
    at,
    end_workspace,
    make_connector,
    make_schedule,
    make_tenant,
    runs_of,
)
from tests.flow.queues import PausedQueue
from tests.flow.retiring import every_minute, trigger
from tests.flow.workers import (
    Script,
    call_of,
    fates,
    make_workshop,
    moved,
    schedule_row,
    tick,
)
from tests.store.tenants import fill_workspace

End = Callable[..., int]

ENDS = [
    pytest.param(disable_workspace, "workspace_disabled", id="disabled"),
    pytest.param(end_workspace, "workspace_deleted", id="deleted"),
]


def workspace_row(engine: Engine, tenant: Tenant) -> Row:
    with engine.connect() as connection:
        query = text("SELECT * FROM workspace WHERE id = :id")
        return connection.execute(query, {"id": tenant.workspace_id}).mappings().one()


@pytest.mark.parametrize(("end", "reason"), ENDS)
def test_whatever_a_workspace_has_under_way_ends_manual_runs_too(
    engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant, end: End, reason: str
) -> None:
    schedule, other = (every_minute(engine, paused, tenant) for _ in range(2))
    trigger(engine, paused, tenant, other)
    first, *_ = runs_of(engine, schedule["id"])
    ended = []

    def work(*_: object) -> object:
        ended.append(end(engine, tenant.workspace_id, now=at("02:01:10")))
        return moved()

    script.behaviour = work
    result = attempt_run(make_workshop(engine, paused), call_of(first), now=at("02:01"))

    assert (result, ended) == (AttemptResult.LEASE_LOST, [5])
    runs = [*runs_of(engine, schedule["id"]), *runs_of(engine, other["id"])]
    assert {(run["status"], run["reason"]) for run in runs} == {("cancelled", reason)}
    assert len(runs) == 5
    assert schedule_row(engine, schedule["id"])["last_run_status"] == "failed"


@pytest.mark.parametrize(("end", "reason"), ENDS)
def test_nothing_is_planned_any_more(
    engine: Engine, paused: PausedQueue, tenant: Tenant, end: End, reason: str
) -> None:
    schedule = every_minute(engine, paused, tenant)

    end(engine, tenant.workspace_id, now=at("02:01:10"))
    tick(engine, paused, at("02:01:20"))
    tick(engine, paused, at("05:00"))

    assert fates(engine, schedule) == [
        ("02:01", "cancelled", reason),
        ("02:02", "cancelled", reason),
    ]
    row = schedule_row(engine, schedule["id"])
    assert (row["is_enabled"], row["next_scheduled_at"]) == (True, None)


@pytest.mark.parametrize("column", ["disabled_at", "deleted_at"])
def test_nothing_is_leased_any_more(
    engine: Engine, paused: PausedQueue, script: Script, tenant: Tenant, column: str
) -> None:
    schedule = make_schedule(engine, tenant)
    trigger(engine, paused, tenant, schedule)
    [run] = runs_of(engine, schedule["id"])
    with engine.begin() as connection:  # as if the command had been cut off right after
        query = f"UPDATE workspace SET {column} = now() WHERE id = :id"
        connection.execute(text(query), {"id": tenant.workspace_id})

    attempt_run(make_workshop(engine, paused), call_of(run))

    assert script.requests == []
    assert runs_of(engine, schedule["id"])[0]["status"] == "skipped"


@pytest.mark.parametrize(
    ("end", "error", "code"),
    [
        pytest.param(disable_workspace, ForbiddenError, "workspace_disabled", id="disabled"),
        pytest.param(end_workspace, UnauthenticatedError, "workspace_deleted", id="deleted"),
    ],
)
def test_a_change_by_somebody_who_was_let_in_before_is_refused(
    engine: Engine, tenant: Tenant, planner: Planner, end: End, error: type[Exception], code: str
) -> None:
    schedule = make_schedule(engine, tenant)
    end(engine, tenant.workspace_id)
    with pytest.raises(error) as caught:
        change_schedule(planner, tenant.principal, schedule["public_id"], {"spread_seconds": 60})
    assert caught.value.code == code


def test_enabling_plans_from_now_and_fires_no_backlog(
    engine: Engine, paused: PausedQueue, tenant: Tenant
) -> None:
    schedule = make_schedule(engine, tenant, cron_expression="0 * * * *", from_instant=at("00:30"))
    disable_workspace(engine, tenant.workspace_id, now=at("00:40"))
    tick(engine, paused, at("03:00"))

    enable_workspace(engine, tenant.workspace_id, now=at("05:30"))
    tick(engine, paused, at("05:59"))

    assert fates(engine, schedule) == [("06:00", "scheduled", None)]
    assert workspace_row(engine, tenant)["disabled_at"] is None
    assert len(paused.tasks()) == 1


def test_enabling_at_once_takes_up_what_disabling_cancelled_ahead(
    engine: Engine, paused: PausedQueue, tenant: Tenant
) -> None:
    schedule = every_minute(engine, paused, tenant)
    disable_workspace(engine, tenant.workspace_id, now=at("02:01:10"))

    enable_workspace(engine, tenant.workspace_id, now=at("02:01:20"))
    tick(engine, paused, at("02:01:20"))

    assert fates(engine, schedule) == [
        ("02:01", "cancelled", "workspace_disabled"),
        ("02:02", "scheduled", None),
    ]


def test_enabling_leaves_alone_what_is_not_to_be_planned(
    engine: Engine, paused: PausedQueue, tenant: Tenant
) -> None:
    unplanned = [
        make_schedule(engine, tenant, is_enabled=False),
        make_schedule(engine, tenant, frequency="manual", cron_expression=None),
    ]
    broken = make_schedule(engine, tenant, from_instant=at("02:00"))
    with engine.begin() as connection:
        query = text("UPDATE sync_schedule SET cron_expression = '99 * * * *' WHERE id = :id")
        connection.execute(query, {"id": broken["id"]})
    tick(engine, paused, at("02:00:30"))
    before = [schedule_row(engine, one["id"]) for one in (*unplanned, broken)]
    assert before[-1]["plan_error"] is not None

    disable_workspace(engine, tenant.workspace_id, now=at("02:01"))
    enable_workspace(engine, tenant.workspace_id, now=at("02:02"))

    after = [schedule_row(engine, one["id"]) for one in (*unplanned, broken)]
    for name in ("planned_through", "next_scheduled_at", "plan_error"):
        expected = [row[name] for row in before[:-1]]
        assert [row[name] for row in after[:-1]] == expected
    assert after[-1]["plan_error"] == before[-1]["plan_error"]


def test_a_workspace_of_any_size_is_ended_and_planned_by_pages(
    engine: Engine, paused: PausedQueue, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspaces_flow, "_SCHEDULES", 2)
    monkeypatch.setattr(workspaces_flow, "_RUNS", 3)
    schedules = [make_schedule(engine, tenant, from_instant=at("02:00")) for _ in range(5)]
    tick(engine, paused, at("02:00:45"))

    assert disable_workspace(engine, tenant.workspace_id, now=at("02:00:50")) == 10
    enable_workspace(engine, tenant.workspace_id, now=at("02:05:10"))

    for schedule in schedules:
        assert {status for _, status, _ in fates(engine, schedule)} == {"cancelled"}
        assert schedule_row(engine, schedule["id"])["next_scheduled_at"] == at("02:06")


@pytest.mark.parametrize("step", ["clear_marks", "cancel_runs"])
def test_an_end_that_was_cut_off_is_completed_by_another(
    engine: Engine,
    paused: PausedQueue,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    schedule = every_minute(engine, paused, tenant)

    def cut_off(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(workspaces_flow, step, cut_off)
        with pytest.raises(KeyboardInterrupt):
            end_workspace(engine, tenant.workspace_id, now=at("02:00:50"))
    row = workspace_row(engine, tenant)
    assert (row["disabled_at"], row["deleted_at"]) == (at("02:00:50"), None)

    assert end_workspace(engine, tenant.workspace_id, now=at("02:00:55")) == 2

    assert workspace_row(engine, tenant)["deleted_at"] == at("02:00:55")
    assert {reason for *_, reason in fates(engine, schedule)} == {"workspace_deleted"}


def test_what_is_done_already_changes_nothing(
    engine: Engine, paused: PausedQueue, tenant: Tenant
) -> None:
    schedule = every_minute(engine, paused, tenant)
    before = schedule_row(engine, schedule["id"])
    enable_workspace(engine, tenant.workspace_id, now=at("02:01"))
    assert schedule_row(engine, schedule["id"]) == before

    assert disable_workspace(engine, tenant.workspace_id, now=at("02:01:10")) == 2
    assert disable_workspace(engine, tenant.workspace_id, now=at("02:01:20")) == 0
    assert workspace_row(engine, tenant)["disabled_at"] == at("02:01:10")


@pytest.mark.parametrize("act", [disable_workspace, enable_workspace, end_workspace])
def test_a_deleted_workspace_is_not_found(
    engine: Engine, tenant: Tenant, act: Callable[..., object]
) -> None:
    end_workspace(engine, tenant.workspace_id)
    with pytest.raises(NotFoundError):
        act(engine, tenant.workspace_id)


def test_a_workspace_that_somebody_enables_meanwhile_is_not_ended_any_further(
    engine: Engine, paused: PausedQueue, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = every_minute(engine, paused, tenant)
    clear = workspaces_flow.clear_marks
    monkeypatch.setattr(workspaces_flow, "_SCHEDULES", 1)

    def enabled_after(connection: Connection, ids: list[int]) -> None:
        clear(connection, ids)
        connection.execute(text("UPDATE workspace SET disabled_at = NULL"))

    monkeypatch.setattr(workspaces_flow, "clear_marks", enabled_after)

    with pytest.raises(ConflictError, match="it is active now") as caught:
        end_workspace(engine, tenant.workspace_id, now=at("02:00:50"))

    assert caught.value.code == "workspace_changed"
    assert {status for _, status, _ in fates(engine, schedule)} == {"scheduled"}
    assert workspace_row(engine, tenant)["deleted_at"] is None


def test_other_workspaces_go_on(engine: Engine, paused: PausedQueue, tenant: Tenant) -> None:
    other = every_minute(engine, paused, make_tenant(engine))
    every_minute(engine, paused, tenant)

    end_workspace(engine, tenant.workspace_id, now=at("02:00:50"))

    assert fates(engine, other) == [("02:01", "scheduled", None), ("02:02", "scheduled", None)]


@pytest.mark.parametrize(("end", "left"), [(disable_workspace, 1), (end_workspace, 0)])
def test_a_deleted_workspace_keeps_no_secret(
    engine: Engine, tenant: Tenant, end: End, left: int
) -> None:
    others = make_tenant(engine)
    for one in (tenant, others):
        connector = make_connector(engine, one)
        with engine.begin() as connection:
            insert_credential(
                connection,
                one.workspace_id,
                connector["id"],
                ciphertext=b"sealed",
                nonce=b"nonce",
                wrapped_key=b"wrapped",
                key_version="v1",
            )

    end(engine, tenant.workspace_id)

    assert [secrets_of(engine, one) for one in (tenant, others)] == [left, 1]


def test_nor_does_it_keep_authorizations_or_endpoints(engine: Engine) -> None:
    ended, other = fill_workspace(engine), fill_workspace(engine)
    end_workspace(engine, ended)
    for table in ("oauth_state", "webhook_endpoint"):
        with engine.connect() as connection:
            query = text(f"SELECT workspace_id FROM {table}")
            assert connection.execute(query).scalars().all() == [other]


def secrets_of(engine: Engine, tenant: Tenant) -> int:
    """Return how many connectors of a workspace have sealed secrets."""
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM connector_credential WHERE workspace_id = :id")
        return connection.execute(query, {"id": tenant.workspace_id}).scalar_one()
