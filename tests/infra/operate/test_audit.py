"""`make audit` says which chains hold, where each ends, and which was written anew."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from shared.domain.audit import AuditFilter
from shared.flow.audit_export import export_audit
from shared.web.audit_log import lines_of
from tests.factories import Tenant, end_workspace, make_connector, make_tenant
from tests.infra.operate.commands import ask_command, run_command

ask = partial(ask_command, "audit")
OFF = "ALTER TABLE audit_log DISABLE TRIGGER keep_audit_log"


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
        (("--workspace", "x", "--file", "y"), "not allowed with"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    database_url: str, arguments: tuple[str, ...], sentence: str
) -> None:
    done = ask(*arguments, database_url=database_url)
    assert done.returncode == 2
    assert sentence in done.stderr


@pytest.fixture
def export(engine: Engine, tenant: Tenant, tmp_path: Path) -> Path:
    """Return a file with an export of the log of a workspace, of four entries."""
    for _ in range(3):
        make_connector(engine, tenant)
    path = tmp_path / "export.jsonl"
    pages = export_audit(engine, tenant.principal, AuditFilter(), page=2)
    path.write_text("".join(lines_of(pages)))
    return path


def test_an_export_is_verified_without_a_database(
    export: Path, slug: str, database_url: str
) -> None:
    asked = ask("--workspace", slug, database_url=database_url)
    done = ask("--file", str(export))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == asked.stdout.replace(slug, export.name)
    noted = done.stdout.split()[-1]
    by_make = run_command(
        "make", "--no-print-directory", "--assume-old=setup", "audit", f"FILE={export}",
        f"CONTAINS={noted}",
    )  # fmt: skip
    assert (by_make.returncode, by_make.stdout) == (0, done.stdout)


def test_exports_of_one_log_follow_on_one_another(export: Path) -> None:
    said = export.read_text().splitlines(keepends=True)
    older = export.with_name("older.jsonl")
    older.write_text("".join([*said[2:-1], '{"complete": true, "entries": 2}']))
    export.write_text("".join([*said[:2], '{"complete": true, "entries": 2}']))
    end = ask("--file", str(older)).stdout.split()[-1]
    done = ask("--file", str(export), "--contains", end)
    assert done.returncode == 0
    assert done.stdout.startswith(f"export.jsonl: 2 entries hold; it follows on {end}; it ends")
    lacking = ask("--file", str(export), "--contains", f"2:{'0' * 64}")
    assert (lacking.returncode, lacking.stderr) == (1, "")
    assert "LACKS entry 2" in lacking.stdout
    assert ask("--file", str(older), "--contains", f"9:{'0' * 64}").returncode == 1


def _alter(said: list[bytes]) -> None:
    said[1] = said[1].replace(b"somebody", b"mallory!")


def _swap(said: list[bytes]) -> None:
    said[0], said[1] = said[1], said[0]


def _take_out(said: list[bytes]) -> None:
    del said[1]
    said[-1] = said[-1].replace(b"4", b"3")


def _garble(said: list[bytes]) -> None:
    said[1] = said[1][:50] + b"\xff" + said[1][50:]


@pytest.mark.parametrize(
    ("forge", "sentence"),
    [
        (_alter, "line 2 was changed"),
        (_swap, "line 2 was moved"),
        (_take_out, "entry 3 is missing"),
        (_garble, "line 2 "),
        (list[bytes].clear, "the last line is missing"),
        (list[bytes].pop, "the last line is missing"),
    ],
)
def test_an_export_that_was_forged_is_told_and_fails(
    export: Path, forge: Callable[[list[bytes]], object], sentence: str
) -> None:
    said = export.read_bytes().splitlines(keepends=True)
    forge(said)
    export.write_bytes(b"".join(said))
    done = ask("--file", str(export))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"export.jsonl: BROKEN: {sentence}")


def test_a_log_without_entries_holds_and_a_file_that_cannot_be_read_does_not(
    tmp_path: Path,
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"complete": true, "entries": 0}\n')
    assert ask("--file", str(empty)).stdout == "empty.jsonl: 0 entries hold\n"
    away = ask("--file", str(tmp_path / "none"))
    assert (away.returncode, away.stdout) == (1, "")
    assert away.stderr == "audit: The file cannot be read (FileNotFoundError).\n"


def test_trouble_is_a_sentence_and_no_traceback() -> None:
    away = ask(database_url="postgresql://canary@127.0.0.1:1/none")
    assert (away.returncode, away.stdout) == (1, "")
    assert away.stderr.startswith("audit: The database cannot be read")
    assert "canary" not in away.stderr
    assert "SYNCLINE_DATABASE_URL" in ask(database_url=None).stderr
