"""Which logins may serve: those that row-level security binds, and that have the right role."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError

from infra.local.logins import login_of
from infra.local.postgres import PostgresServer
from shared.errors import ConfigurationError
from shared.store.engine import create_engine_for, single_statements
from shared.store.migrate import upgrade
from shared.store.sql import load_sql
from shared.store.tenancy import DatabaseRole, role_of
from shared.store.violations import violation_of
from tests.conftest import DatabaseUrlOf
from tests.store.tenants import TENANT_TABLES, fill_workspace
from tests.store.test_cancel import PARAMETERS as CANCELLING
from tests.store.test_plans import PARAMETERS as OF_A_TICK
from tests.store.test_plans import parameters_of_a_run

COUNT = text("SELECT count(*) FROM workspace")


@pytest.fixture
def login(postgres_server: PostgresServer, engine: Engine, database_url: str) -> Iterator[str]:
    """Return the name of a login without any right; its URL is `url_of(login)`."""
    name = f"somebody_{uuid4().hex[:8]}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN"))
    yield name
    with engine.begin() as connection:
        connection.execute(text(f"REASSIGN OWNED BY {name} TO postgres"))
        connection.execute(text(f"DROP OWNED BY {name}"))
        connection.execute(text(f"DROP ROLE {name}"))


def served(url: str, role: DatabaseRole) -> str:
    """Let a function with this login ask something; return by which sentence it is refused."""
    engine = create_engine_for(url, role=role)
    try:
        for _ in range(2):
            with engine.connect() as connection:
                connection.execute(COUNT)
    except ConfigurationError as error:
        # Nor is the second try let in.
        with pytest.raises(ConfigurationError, match="database-roles"):
            engine.connect()
        return str(error)
    finally:
        engine.dispose()
    return ""


def with_login(url: str, login: str) -> str:
    return url.replace("//postgres@", f"//{login}@")


@pytest.mark.parametrize("function", ["api", "dispatcher", "worker", "oauth_callback"])
def test_the_logins_of_the_functions_are_let_in(
    database_url_of: DatabaseUrlOf, function: str
) -> None:
    assert served(database_url_of(function), role_of(function)) == ""


@pytest.mark.parametrize("role", DatabaseRole)
def test_a_superuser_serves_nobody(database_url: str, role: DatabaseRole) -> None:
    assert "is a superuser" in served(database_url, role)


@pytest.mark.parametrize(
    ("rights", "role", "sentence"),
    [
        ("GRANT syncline_app TO {login}", "syncline_app", ""),
        ("GRANT syncline_system TO {login}", "syncline_system", ""),
        ("SELECT 1", "syncline_app", "GRANT syncline_app TO that login"),
        ("SELECT 1", "syncline_system", "GRANT syncline_system TO that login"),
        ("GRANT syncline_system TO {login}", "syncline_app", "member of syncline_system"),
        ("GRANT syncline_app, syncline_system TO {login}", "syncline_app", "revoke that"),
        ("GRANT syncline_app TO {login}", "syncline_system", "member of syncline_app"),
        ("GRANT syncline_app, syncline_system TO {login}", "syncline_system", "revoke that"),
        (
            "GRANT syncline_app TO {login}; ALTER ROLE {login} CREATEROLE",
            "syncline_app",
            "NOCREATEROLE",
        ),
        (
            "GRANT syncline_app TO {login}; GRANT CREATE ON SCHEMA public TO {login}",
            "syncline_app",
            "may make tables",
        ),
        ("GRANT syncline_app TO {login}; ALTER ROLE {login} BYPASSRLS", "syncline_app", "bypass"),
        ("GRANT syncline_app, postgres TO {login}", "syncline_app", "superuser"),
        (
            "GRANT syncline_app TO {login}; ALTER TABLE tick OWNER TO {login}",
            "syncline_app",
            "owns Syncline's tables",
        ),
        (
            "GRANT syncline_app TO {login}; ALTER TABLE sync_schedule NO FORCE ROW LEVEL SECURITY",
            "syncline_app",
            "The table sync_schedule does not force",
        ),
        (
            (
                "GRANT syncline_system TO {login}; CREATE TABLE forgotten (workspace_id bigint);"
                " GRANT SELECT (workspace_id) ON forgotten TO syncline_system"
            ),
            "syncline_system",
            "The table forgotten does not force",
        ),
        (
            "GRANT syncline_app TO {login}; CREATE TABLE stray AS SELECT * FROM sync_schedule",
            "syncline_app",
            "",
        ),
        (
            "GRANT syncline_app TO {login}; ALTER TABLE workspace OWNER TO pg_monitor",
            "syncline_app",
            "The table workspace has another owner than its policies name",
        ),
    ],
)
def test_a_login_serves_only_if_the_database_binds_it_to_its_role(
    engine: Engine, database_url: str, login: str, rights: str, role: str, sentence: str
) -> None:
    with engine.begin() as connection:
        for statement in rights.format(login=login).split("; "):
            connection.execute(text(statement))
    said = served(with_login(database_url, login), DatabaseRole(role))
    assert sentence in said
    assert bool(said) == bool(sentence)
    assert login not in said


def test_a_login_is_looked_at_once_and_not_with_every_connection(
    database_url_of: DatabaseUrlOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(
        "shared.store.engine.require_harmless_login", lambda *_: seen.append("looked")
    )
    engine = create_engine_for(database_url_of("api"), role=DatabaseRole.APP)
    with engine.connect() as one, engine.connect() as another:
        one.execute(COUNT)
        another.execute(COUNT)
    engine.dispose()
    assert seen == ["looked"]


@pytest.fixture
def owned(postgres_server: PostgresServer, engine: Engine) -> Iterator[str]:
    """Return the owner's URL of a database that was migrated where nobody is a superuser."""
    name = f"owned_{uuid4().hex}"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN CREATEROLE"))
        connection.execute(text(f"CREATE DATABASE {name} OWNER {name}"))
    url = postgres_server.url(name, name)
    upgrade(url)
    yield url
    postgres_server.drop_database(name)
    with engine.begin() as connection:
        connection.execute(text(f"DROP ROLE {name}"))


def test_the_owner_sees_rows_only_as_an_operator_and_without_force_always(owned: str) -> None:
    plain, operator = create_engine_for(owned), create_engine_for(owned, is_operator=True)
    try:
        workspace = fill_workspace(operator)
        for table in sorted(set(TENANT_TABLES) - {"audit_head"}):
            count = text(f"SELECT count(*) FROM {table}")
            with single_statements(plain) as connection:
                assert connection.execute(count).scalar_one() == 0, table
            with single_statements(operator) as connection:
                assert connection.execute(count).scalar_one() >= 1, table
        with operator.begin() as connection:
            connection.execute(text("ALTER TABLE workspace NO FORCE ROW LEVEL SECURITY"))
        with single_statements(plain) as connection:
            ids = text("SELECT id FROM workspace")
            assert connection.execute(ids).scalars().all() == [workspace]
    finally:
        plain.dispose()
        operator.dispose()
    assert "owns Syncline's tables" in served(owned, DatabaseRole.SYSTEM)


def test_who_makes_roles_by_another_role_is_refused(
    engine: Engine, database_url: str, login: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {login}_admins CREATEROLE"))
        connection.execute(text(f"GRANT syncline_app, {login}_admins TO {login}"))
    try:
        said = served(with_login(database_url, login), DatabaseRole.APP)
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP ROLE {login}_admins"))
    assert "NOCREATEROLE" in said


def test_a_new_owner_is_named_by_the_policies_after_the_next_migration(
    postgres_server: PostgresServer, engine: Engine, owned: str
) -> None:
    operator = create_engine_for(owned, is_operator=True)
    workspace = fill_workspace(operator)
    operator.dispose()
    old = owned.rpartition("/")[2]
    heir = f"heir_{uuid4().hex[:8]}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {heir} LOGIN CREATEROLE"))
    superuser = create_engine_for(postgres_server.url(old))
    try:
        with superuser.begin() as connection:
            connection.execute(text(f"REASSIGN OWNED BY {old} TO {heir}"))
        login = postgres_server.url(old, login_of("api"))
        assert "has another owner than its policies name" in served(login, DatabaseRole.APP)
        for _ in range(2):
            upgrade(postgres_server.url(old, heir))
        assert served(login, DatabaseRole.APP) == ""
        operator = create_engine_for(postgres_server.url(old, heir), is_operator=True)
        with single_statements(operator) as connection:
            ids = text("SELECT id FROM workspace")
            assert connection.execute(ids).scalars().all() == [workspace]
        operator.dispose()
    finally:
        with superuser.begin() as connection:
            connection.execute(text(f"REASSIGN OWNED BY {heir} TO {old}"))
            connection.execute(text(f"DROP OWNED BY {heir}"))
        superuser.dispose()
        with engine.begin() as connection:
            connection.execute(text(f"DROP ROLE {heir}"))


def test_only_the_owner_can_say_that_all_workspaces_are_meant(
    engine: Engine, database_url_of: DatabaseUrlOf
) -> None:
    fill_workspace(engine)
    pretender = create_engine_for(database_url_of("api"), is_operator=True)
    with single_statements(pretender) as connection:
        assert connection.execute(COUNT).scalar_one() == 0
    pretender.dispose()


@pytest.fixture(scope="module")
def filled(kept_engine: Engine) -> Engine:
    """Return an engine on a database with one workspace in it, which nobody changes."""
    fill_workspace(kept_engine)
    return kept_engine


@pytest.mark.parametrize("name", [*OF_A_TICK, *CANCELLING, "a run"])
def test_the_dispatcher_and_the_worker_have_the_rights_that_their_statements_need(
    filled: Engine, kept_url_of: DatabaseUrlOf, name: str
) -> None:
    query = text(
        "SELECT id, workspace_connector_sync_log_id AS public_id FROM workspace_connector_sync_log"
    )
    with filled.connect() as connection:
        run = connection.execute(query).mappings().one()
    every = {**OF_A_TICK, **CANCELLING}
    wanted = parameters_of_a_run(run) if name == "a run" else {name: every[name]}
    worker = create_engine_for(kept_url_of("worker"), role=DatabaseRole.SYSTEM)
    for statement, parameters in wanted.items():
        with worker.connect() as connection:
            connection.execute(load_sql(statement), parameters)
    worker.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM api_key",
        "SELECT id FROM api_key",
        "UPDATE workspace SET disabled_at = now()",
        "INSERT INTO workspace (slug, name) VALUES ('w', 'w')",
        "UPDATE workspace_connector SET config = '{}'",
        "DELETE FROM workspace_connector",
        "UPDATE sync_schedule SET cron_expression = '* * * * *'",
        "DELETE FROM sync_schedule",
        "DELETE FROM workspace_connector_sync_log",
        "UPDATE sync_log_event SET kind = 'x'",
        "DELETE FROM sync_log_event",
        "CREATE TABLE x ()",
        "UPDATE alembic_version SET version_num = 'x'",
    ],
)
def test_the_dispatcher_and_the_worker_have_no_other_rights(
    kept_url_of: DatabaseUrlOf, statement: str
) -> None:
    worker = create_engine_for(kept_url_of("worker"), role=DatabaseRole.SYSTEM)
    with pytest.raises(DBAPIError) as refused, worker.connect() as connection:
        connection.execute(text(statement))
    worker.dispose()
    assert violation_of(refused.value).sqlstate == "42501"


def test_the_dispatcher_and_the_worker_name_no_workspace(database_url_of: DatabaseUrlOf) -> None:
    worker = create_engine_for(database_url_of("worker"), role=DatabaseRole.SYSTEM)
    settings = []
    event.listen(
        worker,
        "before_cursor_execute",
        lambda connection, *_: settings.append(
            connection.connection.dbapi_connection.local_setting
        ),
    )
    with worker.begin() as connection:
        connection.execute(COUNT)
    with single_statements(worker) as connection:
        connection.execute(COUNT)
    worker.dispose()
    assert settings == [None, None]
