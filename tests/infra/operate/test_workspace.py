import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.factories import Tenant, at, make_schedule, make_tenant

ROOT = Path(__file__).resolve().parents[3]


def ask(*arguments: str, database_url: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in an environment that holds no other setting."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SYNCLINE_")}
    if database_url is not None:
        env["SYNCLINE_DATABASE_URL"] = database_url
        env["SYNCLINE_DATASET_URL"] = database_url.replace("+pg8000", "")
    return subprocess.run(
        [sys.executable, "-m", "infra.operate.workspace", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return make_tenant(engine)


@pytest.fixture
def slug(engine: Engine, tenant: Tenant) -> str:
    with engine.connect() as connection:
        query = text("SELECT slug FROM workspace WHERE id = :id")
        return connection.execute(query, {"id": tenant.workspace_id}).scalar_one()


def add_run(engine: Engine, tenant: Tenant) -> None:
    """Write a run that waits."""
    schedule = make_schedule(engine, tenant, frequency="manual", cron_expression=None)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id,"
                " schedule_id, trigger_type, idempotency_key, not_before_at)"
                " SELECT workspace_id, connector_id, id, 'manual', gen_random_uuid(), :at"
                " FROM sync_schedule WHERE id = :id"
            ),
            {"at": at("02:00"), "id": schedule["id"]},
        )


def state(engine: Engine, tenant: Tenant) -> tuple[bool, bool]:
    """Return whether a workspace is disabled and whether it is deleted."""
    with engine.connect() as connection:
        query = text(
            "SELECT disabled_at IS NOT NULL, deleted_at IS NOT NULL FROM workspace WHERE id = :id"
        )
        disabled, deleted = connection.execute(query, {"id": tenant.workspace_id}).one()
    return disabled, deleted


def test_a_workspace_is_disabled_enabled_and_deleted_and_each_act_says_what_it_did(
    engine: Engine, database_url: str, tenant: Tenant, slug: str
) -> None:
    add_run(engine, tenant)

    disabled = ask("disable", slug, database_url=database_url)
    assert disabled.stdout == f"{slug} is disabled. 1 run was cancelled.\n"
    assert state(engine, tenant) == (True, False)

    enabled = ask("enable", slug, database_url=database_url)
    assert enabled.stdout == f"{slug} is enabled. The next tick plans what is due.\n"
    assert state(engine, tenant) == (False, False)

    deleted = ask("delete", slug, database_url=database_url)
    assert deleted.stdout == f"{slug} is deleted. 0 runs were cancelled.\n"
    assert state(engine, tenant) == (True, True)

    assert [done.returncode for done in (disabled, enabled, deleted)] == [0, 0, 0]
    again = ask("enable", slug, database_url=database_url)
    assert (again.returncode, again.stdout) == (2, "")
    assert f"there is no workspace {slug!r}" in again.stderr


@pytest.mark.parametrize("arguments", [(), ("disable",), ("pause", "acme"), ("disable", "nobody")])
def test_what_cannot_be_done_is_refused_with_2(
    engine: Engine, database_url: str, arguments: tuple[str, ...]
) -> None:
    done = ask(*arguments, database_url=database_url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: workspace" in done.stderr


def test_the_help_explains_each_act() -> None:
    said = ask("--help").stdout
    for act in ("disable", "enable", "delete"):
        assert f"    {act} " in said


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            None,
            "workspace: Set SYNCLINE_DATABASE_URL. README.md, 'Settings', says what it means.\n",
        ),
        (
            "postgresql+pg8000://canary:canary@127.0.0.1:1/none",
            "workspace: The database did not do it (InterfaceError).\n",
        ),
    ],
)
def test_a_database_that_is_not_there_is_one_sentence_without_its_url(
    url: str | None, sentence: str
) -> None:
    done = ask("disable", "acme", database_url=url)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)
