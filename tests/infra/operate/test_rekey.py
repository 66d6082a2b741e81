from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from shared.flow.connectors import create_connector
from tests.factories import CONFIG, make_tenant
from tests.gcp.keys import make_key, new_line
from tests.infra.operate.commands import ask_command

OLD, NEW = new_line(), new_line("2026-02")
ask = partial(ask_command, "rekey")
AWAY = "postgresql+pg8000://canary:canary@127.0.0.1:1/none"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "master.key"


def test_secrets_are_sealed_anew_and_the_older_key_can_go(
    engine: Engine, database_url: str, key_file: Path
) -> None:
    tenant, old = make_tenant(engine), make_key(key_file, OLD)
    for name in ("one", "two"):
        config = {**CONFIG, "password": "canary-Zx81"}
        create_connector(engine, tenant.principal, old, slug="database", name=name, config=config)
    make_key(key_file, NEW, OLD)
    variables = {"SYNCLINE_DATABASE_URL": database_url, "SYNCLINE_KEY_FILE": str(key_file)}

    first, second = ask(**variables), ask(**variables)

    done = "2 sealed with key 2026-02.\nNo older key is needed any more.\n"
    assert first.stdout == f"2 sealed anew with key 2026-02; 0 do not open.\n{done}"
    assert second.stdout == f"0 sealed anew with key 2026-02; 0 do not open.\n{done}"
    assert [(each.returncode, each.stderr) for each in (first, second)] == [(0, "")] * 2


def test_while_an_older_key_is_needed_it_says_so_and_fails(
    engine: Engine, database_url: str, key_file: Path
) -> None:
    config = {**CONFIG, "password": "canary-Zx81"}
    tenant, old = make_tenant(engine), make_key(key_file, OLD)
    create_connector(engine, tenant.principal, old, slug="database", name="one", config=config)
    with engine.begin() as connection:
        connection.execute(text("UPDATE connector_credential SET nonce = '\\x00'"))
    make_key(key_file, NEW, OLD)

    done = ask(SYNCLINE_DATABASE_URL=database_url, SYNCLINE_KEY_FILE=str(key_file))

    assert done.returncode == 1
    assert done.stdout == (
        "0 sealed anew with key 2026-02; 1 do not open.\n1 sealed with key local-1.\n"
        "1 still need an older key: keep it, and run this again.\n"
    )
    assert "Enter them again." in done.stderr
    assert "canary" not in done.stderr


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "rekey: Set SYNCLINE_KMS_KEY or SYNCLINE_KEY_FILE.\n"),
        (
            {"SYNCLINE_KEY_FILE": "KEY"},
            "rekey: Set SYNCLINE_DATABASE_URL. README.md, 'Settings', says what it means.\n",
        ),
        (
            {"SYNCLINE_KEY_FILE": "KEY", "SYNCLINE_DATABASE_URL": AWAY},
            "rekey: The database did not do it (InterfaceError).\n",
        ),
        (
            {"SYNCLINE_KEY_FILE": "nowhere.key"},
            "rekey: SYNCLINE_KEY_FILE: nowhere.key cannot be read (FileNotFoundError).\n",
        ),
    ],
)
def test_what_is_missing_is_one_sentence(
    key_file: Path, variables: dict[str, str], sentence: str
) -> None:
    make_key(key_file)
    given = {name: value.replace("KEY", str(key_file)) for name, value in variables.items()}
    done = ask(**given)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)


def test_an_argument_is_refused() -> None:
    done = ask("now")
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: rekey" in done.stderr
