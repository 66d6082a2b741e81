"""What flows add to the audit log: what the API shows of a change, and no secret."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_type_hints
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from shared.connectors.registry import connector_type, slugs
from shared.domain.audit import MASK, Actor, ActorKind, without_secrets
from shared.domain.blackout_rules import WantedDays, WantedWindow
from shared.flow.blackouts import create_blackout_window
from shared.flow.cancel import cancel_run
from shared.flow.connectors import change_connector, create_connector
from shared.flow.oauth_finish import Ending
from shared.flow.retire import delete_connector, delete_schedule
from shared.flow.schedules import Planner, change_schedule
from shared.flow.trigger import trigger_schedule
from shared.flow.workspaces import disable_workspace, enable_workspace
from shared.gcp.local_key import LocalKey
from shared.store.audit import verify_audit
from shared.store.rows import Row
from shared.web.shapes.connectors import Connector
from shared.web.shapes.schedules import BlackoutWindow, Schedule
from tests.factories import (
    Tenant,
    end_workspace,
    make_connector,
    make_planner,
    make_schedule,
    make_tenant,
)
from tests.flow.authorizing import Person
from tests.flow.queues import PausedQueue
from tests.gcp.keys import make_key, new_line
from tests.isolation.plants import KINDS, plants, secret_places

NO_SECRET = {"secrets_replaced"}
"""Told in place of secrets; the API shows nothing like it."""


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return make_tenant(engine)


@pytest.fixture
def key(tmp_path: Path) -> LocalKey:
    return make_key(tmp_path / "master.key", new_line("2026-01"))


def _entries(engine: Engine, workspace_id: int) -> list[Row]:
    query = text("SELECT * FROM audit_log WHERE workspace_id = :id ORDER BY seq")
    with engine.connect() as connection:
        return list(connection.execute(query, {"id": workspace_id}).mappings())


def _told(engine: Engine, tenant: Tenant, action: str) -> Row:
    [entry] = [one for one in _entries(engine, tenant.workspace_id) if one["action"] == action]
    return entry


def _names(shape: Any) -> set[str]:
    return set(get_type_hints(shape))


def test_entries_of_objects_have_the_fields_that_the_api_shows(
    engine: Engine, tenant: Tenant, planner: Planner
) -> None:
    make_schedule(engine, tenant)
    days = WantedWindow("days", None, None, WantedDays("2030-01-01", "2030-01-02"))
    create_blackout_window(planner, tenant.principal, days)
    shapes: Mapping[str, Any] = {
        "create_connector": Connector,
        "create_schedule": Schedule,
        "create_blackout_window": BlackoutWindow,
    }
    for action, shape in shapes.items():
        assert set(_told(engine, tenant, action)["after"]) <= _names(shape), action


def test_of_a_change_only_what_differs_is_told_also_within_a_config(
    engine: Engine, tenant: Tenant
) -> None:
    row = make_connector(engine, tenant)
    streams = [{"table": "airport", "cursor": "updated_at", "primary_key": ["iata"]}]
    change_connector(
        make_planner(engine),
        tenant.principal,
        None,
        row["public_id"],
        config={**row["config"], "streams": streams},
    )
    entry = _told(engine, tenant, "change_connector")
    assert set(entry["before"]) == set(entry["after"]) == {"config"}
    assert set(entry["before"]["config"]) == {"streams"}
    assert entry["after"]["config"]["streams"][0]["table"] == "airport"


def test_no_secret_of_any_connector_type_is_in_the_log(
    engine: Engine, tenant: Tenant, key: LocalKey
) -> None:
    planner, canaries = make_planner(engine), set[str]()
    for kind in KINDS:
        place = {"http": "https://api.test", "database": "postgresql://r@db.test/d"}
        dataset = str(make_connector(engine, tenant)["public_id"])
        first, second = (plants(kind, **place, dataset=dataset) for _ in range(2))
        row = create_connector(
            engine, tenant.principal, key, slug=first.type, name=kind, config=first.config
        )
        change_connector(planner, tenant.principal, key, row["public_id"], config=second.config)
        delete_connector(planner, tenant.principal, row["public_id"])
        canaries |= first.secrets | second.secrets
    entries = _entries(engine, tenant.workspace_id)
    told = str([(one["before"], one["after"]) for one in entries])
    assert [one for one in canaries if one in told] == []
    changes = [one for one in entries if one["action"] == "change_connector"]
    # Keys that are made once are the same again, and told as such.
    assert sum(one["after"].get("secrets_replaced", False) for one in changes) >= len(KINDS) - 1


def test_of_connector_types_what_is_secret_is_masked_by_its_name_and_nothing_else() -> None:
    shown, secret = set[str](), {name for _, _, name in secret_places()}
    for slug in slugs():
        schema = connector_type(slug).config_model.model_json_schema()
        for part in (schema, *schema.get("$defs", {}).values()):
            shown |= set(part.get("properties", {})) - secret
    masked = without_secrets(dict.fromkeys([*shown, *secret], "x"))
    # Of a name that any column has: the config is stored without it all the same.
    assert masked == {**dict.fromkeys(shown, "x"), **dict.fromkeys(secret, MASK), "key": "x"}


def test_a_run_is_told_by_its_connector_and_who_cancelled_it_why(
    engine: Engine, tenant: Tenant, paused: PausedQueue
) -> None:
    schedule = make_schedule(engine, tenant, frequency="manual", cron_expression=None)
    run = trigger_schedule(engine, lambda: paused.queue, tenant.principal, schedule["public_id"])
    cancel = {"note": "wrong month"}
    cancel_run(engine, lambda: paused.queue, tenant.principal, run["public_id"], **cancel)
    cancel_run(engine, lambda: paused.queue, tenant.principal, run["public_id"], **cancel)

    started = _told(engine, tenant, "trigger_schedule")
    assert started["object_name"] == schedule["connector_name"]
    assert started["after"]["schedule_id"] == str(schedule["public_id"])
    ended = _told(engine, tenant, "cancel_run")
    assert ended["object_id"] == run["public_id"]
    assert ended["after"]["note"] == "wrong month"


def test_a_deleted_schedule_is_told_as_it_was(engine: Engine, tenant: Tenant) -> None:
    schedule = make_schedule(engine, tenant)
    delete_schedule(make_planner(engine), tenant.principal, schedule["public_id"])
    entry = _told(engine, tenant, "delete_schedule")
    assert (entry["before"]["cron_expression"], entry["after"]) == ("* * * * *", None)


def test_changes_of_a_workspace_at_once_keep_its_chain_whole(
    engine: Engine, tenant: Tenant
) -> None:
    schedules = [
        make_schedule(engine, tenant, frequency="manual", cron_expression=None)["public_id"]
        for _ in range(4)
    ]

    def rename(schedule: UUID) -> None:
        for number in range(5):
            change_schedule(
                make_planner(engine), tenant.principal, schedule, {"name": f"n{number}"}
            )

    with ThreadPoolExecutor(len(schedules)) as pool:
        list(pool.map(rename, schedules))

    entries = _entries(engine, tenant.workspace_id)
    assert sum(one["action"] == "change_schedule" for one in entries) == 20
    with engine.connect() as connection:
        verdict = verify_audit(connection, tenant.workspace_id)
    assert (verdict.entries, verdict.broken_at) == (len(entries), None)


def test_operators_are_told_by_name_and_what_changes_nothing_is_not(
    engine: Engine, tenant: Tenant
) -> None:
    kari = Actor(ActorKind.OPERATOR, "kari")
    for act in (disable_workspace, disable_workspace, enable_workspace, enable_workspace):
        act(engine, tenant.workspace_id, by=kari)
    end_workspace(engine, tenant.workspace_id)
    entries = _entries(engine, tenant.workspace_id)
    assert [(one["action"], one["actor_name"]) for one in entries] == [
        ("create_workspace", "operator"),
        ("disable_workspace", "kari"),
        ("enable_workspace", "kari"),
        ("disable_workspace", "operator"),
        ("delete_workspace", "operator"),
    ]
    assert {one["actor_kind"] for one in entries} == {"operator"}


def test_who_began_an_authorization_connects_by_it(person: Person) -> None:
    connector = person.new_connector()
    assert person.authorize(connector).ending is Ending.CONNECTED
    begun, finished = _of_authorizations(person)
    assert (begun["action"], begun["object_id"]) == ("authorize_connector", connector)
    assert (finished["outcome"], finished["object_id"]) == ("done", connector)
    assert finished["actor_id"] == begun["actor_id"] is not None
    assert finished["actor_name"] == begun["actor_name"]
    assert finished["before"]["status"] == "pending_authorization"
    assert finished["after"]["status"] == "connected"


def test_an_authorization_that_fails_is_told_as_refused(person: Person) -> None:
    connector = person.new_connector()
    callback = person.agree(connector)
    person.execute("UPDATE workspace_connector SET access_version = access_version + 1")
    assert person.finish(callback).ending is Ending.FAILED
    [_, refused] = _of_authorizations(person)
    assert (refused["outcome"], refused["code"]) == ("refused", "changed_meanwhile")


def _of_authorizations(person: Person) -> list[Row]:
    query = text("SELECT * FROM audit_log WHERE action ~ 'authoriz' ORDER BY seq")
    with person.engine.connect() as connection:
        return list(connection.execute(query).mappings())
