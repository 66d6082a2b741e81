import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.factories import make_schedule, make_tenant

ROOT = Path(__file__).resolve().parents[3]
AT = "2026-12-01T02:00Z"


def ask(
    *arguments: str, database_url: str | None = None, command: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the command in an environment that holds no other setting."""
    ours = ("SYNCLINE_", "AT", "WORKSPACE")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    if database_url is not None:
        env["SYNCLINE_DATABASE_URL"] = database_url
    return subprocess.run(
        [*(command or (sys.executable, "-m", "infra.operate.due")), *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def slug_of(engine: Engine, workspace_id: int) -> str:
    with engine.connect() as connection:
        query = text("SELECT slug FROM workspace WHERE id = :id")
        return connection.execute(query, {"id": workspace_id}).scalar_one()


def test_a_line_for_each_due_connector_and_their_number(engine: Engine, database_url: str) -> None:
    tenants = [make_tenant(engine) for _ in range(2)]
    rows = [make_schedule(engine, one, cron_expression="0 2 * * *") for one in tenants]
    make_schedule(engine, tenants[0], cron_expression="0 3 * * *")
    slugs = [slug_of(engine, one.workspace_id) for one in tenants]

    done = ask("--at", AT, database_url=database_url)

    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    assert [line.split() for line in lines] == [
        [
            slug,
            str(row["connector_public_id"]),
            "database",
            "2026-12-01T02:00:00Z",
            "2026-12-01T02:00:00Z",
        ]
        for slug, row in zip(slugs, rows, strict=True)
    ]
    assert last == "2 connectors are due at 2026-12-01T02:00:00Z."

    one = ask("--at", AT, "--workspace", slugs[1], database_url=database_url)
    assert one.stdout.splitlines() == [lines[1], "1 connector is due at 2026-12-01T02:00:00Z."]


def test_make_due_asks_the_database_that_the_environment_names(
    engine: Engine, database_url: str
) -> None:
    tenant = make_tenant(engine)
    make_schedule(engine, tenant)
    make = ("make", "--no-print-directory", "--assume-old=setup", "due")

    done = ask(
        f"AT={AT}",
        f"WORKSPACE={slug_of(engine, tenant.workspace_id)}",
        database_url=database_url,
        command=make,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 connector is due at 2026-12-01T02:00:00Z."
    now = ask(database_url=database_url, command=make)
    assert re.fullmatch(
        r"1 connector is due at \d{4}-\d\d-\d\dT\d\d:\d\d:00Z\.", now.stdout.splitlines()[-1]
    )


def test_an_unreadable_schedule_is_a_warning_beside_the_answer(
    engine: Engine, database_url: str
) -> None:
    tenant = make_tenant(engine)
    broken, _ = (make_schedule(engine, tenant) for _ in range(2))
    with engine.begin() as connection:
        query = text("UPDATE sync_schedule SET cron_expression = '99 * * * *' WHERE id = :id")
        connection.execute(query, {"id": broken["id"]})

    done = ask("--at", AT, database_url=database_url)

    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
    [warning] = done.stderr.splitlines()
    assert "WARNING" in warning
    assert str(broken["public_id"]) in warning


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tomorrow", "'tomorrow' is not an instant"),
        ("2026-12-01T02:00", "'2026-12-01T02:00' names no time zone"),
        ("", "'' is not an instant"),
    ],
)
def test_an_instant_that_is_none_is_refused_with_2(text: str, reason: str) -> None:
    done = ask("--at", text)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"argument --at: {reason}. Write it in UTC, as 2026-12-01T02:00Z" in done.stderr


def test_a_workspace_that_is_not_there_is_refused_with_2(engine: Engine, database_url: str) -> None:
    tenant = make_tenant(engine)
    slug = slug_of(engine, tenant.workspace_id)
    with engine.begin() as connection:
        connection.execute(text("UPDATE workspace SET deleted_at = now()"))
    for missing in (slug, "nobody", "o'hara"):
        done = ask("--workspace", missing, database_url=database_url)
        assert (done.returncode, done.stdout) == (2, "")
        assert "there is no workspace" in done.stderr


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (None, "due: Set SYNCLINE_DATABASE_URL. README.md, 'Settings', says what it means.\n"),
        (
            "postgresql+pg8000://canary:canary@127.0.0.1:1/none",
            "due: The database cannot be read (InterfaceError).\n",
        ),
        (
            "canary://canary@127.0.0.1/none",
            (
                "due: SYNCLINE_DATABASE_URL is no URL of PostgreSQL:"
                " use postgresql+pg8000://user@host/database.\n"
            ),
        ),
    ],
)
def test_a_database_that_cannot_be_read_is_one_sentence_without_its_url(
    url: str | None, sentence: str
) -> None:
    done = ask(database_url=url)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)


def test_a_reader_that_has_seen_enough_ends_it_quietly(engine: Engine, database_url: str) -> None:
    make_schedule(engine, make_tenant(engine))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workspace_connector (workspace_id, connector_type, name, config)"
                " SELECT 1, 'database', 'c' || n, '{}' FROM generate_series(1, 2000) AS n"
            )
        )
        connection.execute(
            text(
                "INSERT INTO sync_schedule"
                " (workspace_id, connector_id, name, frequency, cron_expression, timezone)"
                " SELECT 1, id, name, 'custom', '* * * * *', 'UTC' FROM workspace_connector"
                " WHERE id > 1"
            )
        )
    shell = f"{sys.executable} -m infra.operate.due --at {AT} | head -n 1"

    done = ask(database_url=database_url, command=("bash", "-o", "pipefail", "-c", shell))

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
