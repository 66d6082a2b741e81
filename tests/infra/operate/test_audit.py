"""`make audit` says which chains hold, where each ends, and which was written anew."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.factories import Tenant, end_workspace, make_connector, make_tenant

ROOT = Path(__file__).resolve().parents[3]
OFF = "ALTER TABLE audit_log DISABLE TRIGGER keep_audit_log"


def ask(*arguments: str, database_url: str | None) -> subprocess.CompletedProcess[str]:
    """Run the command in an environment that holds no other setting."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SYNCLINE_")}
    if database_url is not None:
        env["SYNCLINE_DATABASE_URL"] = database_url
    return subprocess.run(
        [sys.executable, "-m", "infra.operate.audit", *arguments],
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


def _forge(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in (OFF, *statements):
            connection.execute(text(statement))


def test_chains_that_hold_are_told_with_their_ends_those_of_deleted_workspaces_too(
    engine: Engine, tenant: Tenant, slug: str, database_url: str
) -> None:
    other = make_tenant(engine)
    make_connector(engine, tenant)
    end_workspace(engine, tenant.workspace_id)
    done = ask(database_url=database_url)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{slug}: 4 entries hold; it ends with 4:")
    assert "1 entries hold" in second
    assert other.workspace_id > tenant.workspace_id


def test_a_chain_that_was_tampered_with_is_told_and_fails(
    engine: Engine, tenant: Tenant, slug: str, database_url: str
) -> None:
    make_connector(engine, tenant)
    _forge(engine, "UPDATE audit_log SET actor_name = 'mallory' WHERE seq = 2")
    done = ask("--workspace", slug, database_url=database_url)
    assert (done.returncode, done.stdout) == (1, f"{slug}: BROKEN at entry 2.\n")


def test_a_chain_that_was_written_anew_lacks_what_was_noted_before(
    engine: Engine, tenant: Tenant, slug: str, database_url: str
) -> None:
    make_connector(engine, tenant)
    ask_again = ("--workspace", slug, "--contains")
    noted = ask("--workspace", slug, database_url=database_url).stdout.split()[-1]
    make_connector(engine, tenant)
    assert ask(*ask_again, noted, database_url=database_url).returncode == 0
    _forge(
        engine,
        "DELETE FROM audit_log",
        "UPDATE audit_head SET seq = 0, hash = ''",
        *(
            f"INSERT INTO audit_log (workspace_id, seq, actor_kind, actor_name, action,"
            f" object_kind, outcome, previous_hash, hash) VALUES ({tenant.workspace_id}, 0,"
            " 'operator', 'mallory', 'x', 'run', 'done', '', '')"
            for _ in range(3)
        ),
    )
    assert ask("--workspace", slug, database_url=database_url).returncode == 0
    done = ask(*ask_again, noted, database_url=database_url)
    assert done.returncode == 1
    assert "REWRITTEN" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--workspace", "nobody"), "there is no workspace"),
        (("--contains", f"1:{'0' * 64}"), "say with --workspace"),
        (("--workspace", "x", "--contains", "1:zz"), "is not NUMBER:HASH"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    database_url: str, arguments: tuple[str, ...], sentence: str
) -> None:
    done = ask(*arguments, database_url=database_url)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_trouble_is_a_sentence_and_no_traceback() -> None:
    away = ask(database_url="postgresql://canary@127.0.0.1:1/none")
    assert (away.returncode, away.stdout) == (1, "")
    assert away.stderr.startswith("audit: The database cannot be read")
    assert "canary" not in away.stderr
    assert "SYNCLINE_DATABASE_URL" in ask(database_url=None).stderr
