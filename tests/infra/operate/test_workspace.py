import re
import subprocess
from functools import partial

import pytest
from sqlalchemy import Engine, text

from infra.operate.operator import who
from shared.domain.access import Role
from shared.domain.api_keys import parse_api_key
from shared.domain.audit import Origin
from shared.flow.callers import caller_of_key
from shared.store.workspace_settings import find_settings
from tests.factories import Tenant, at, make_schedule
from tests.infra.operate.commands import ask_command

ask = partial(ask_command, "workspace")


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


def keys_in(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the keys that a command has printed."""
    assert done.returncode == 0, done.stderr
    return re.findall(r"syn_[0-9a-f]{12}_[0-9a-f]{64}", done.stdout)


def test_a_workspace_is_made_with_the_key_of_its_first_admin(
    engine: Engine, database_url: str
) -> None:
    made = ask("create", "acme", "--name", "Acme AS", database_url=database_url)
    assert made.stdout.startswith("acme is made.\n")
    [key] = keys_in(made)
    another = ask("key", "acme", database_url=database_url)
    [other] = keys_in(another)
    callers = [caller_of_key(engine, parse_api_key(one), None, Origin()) for one in (key, other)]
    assert [one.role for one in callers] == [Role.ADMIN] * 2
    with engine.connect() as connection:
        home = find_settings(connection, callers[0].workspace_id)
        assert (home["slug"], home["name"], home["timezone"]) == (
            "acme",
            "Acme AS",
            "Europe/Oslo",
        )
        # Without an end, so that the workspace keeps an admin.
        ends = text("SELECT count(*), count(expires_at) FROM api_key")
        assert tuple(connection.execute(ends).one()) == (2, 0)
        query = text("SELECT DISTINCT actor_kind, actor_name FROM audit_log")
        assert [tuple(row) for row in connection.execute(query)] == [("operator", who().name)]


def test_a_workspace_that_cannot_be_made_is_told_so(
    engine: Engine, database_url: str, slug: str
) -> None:
    wrong = {
        ("create", slug): f"There is a workspace '{slug}' already.",
        ("create", "Acme AS"): "is not a slug",
        ("create", "acme", "--timezone", "Europe/Atlantis"): "is not a time zone",
    }
    for arguments, sentence in wrong.items():
        done = ask(*arguments, database_url=database_url)
        assert (done.returncode, done.stdout) == (1, "")
        assert sentence in done.stderr
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM workspace")).scalar_one() == 1
        assert connection.execute(text("SELECT count(*) FROM api_key")).scalar_one() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("disable",),
        ("pause", "acme"),
        ("disable", "nobody"),
        ("key", "nobody"),
        ("create", "acme", "--name", " "),
        ("create", "acme", "--name", "x" * 201),
    ],
)
def test_what_cannot_be_done_is_refused_with_2(
    engine: Engine, database_url: str, arguments: tuple[str, ...]
) -> None:
    done = ask(*arguments, database_url=database_url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: workspace" in done.stderr


def test_the_help_explains_each_act() -> None:
    said = ask("--help").stdout
    for act in ("create", "key", "disable", "enable", "delete"):
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
