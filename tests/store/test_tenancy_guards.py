"""The known ways around row-level security: each is shut, and open once its guard is off."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from shared.store.driver import LocalSetting
from shared.store.engine import create_engine_for, single_statements
from shared.store.tenancy import DatabaseRole, speaking_for
from shared.store.violations import violation_of
from tests.conftest import DatabaseUrlOf
from tests.store.tenants import TENANT_TABLES, fill_workspace, key_of

NAMES = text("SELECT name FROM workspace_connector ORDER BY name")
OF_NOBODY = 987_654_321


@dataclass(frozen=True, slots=True)
class Home:
    """Two workspaces and the api's login, on one connection: what is left on it meets the next."""

    superuser: Engine
    alice_id: int
    mallory_id: int
    api: Engine

    @property
    def alice(self) -> Engine:
        return speaking_for(self.api, self.alice_id)

    @property
    def mallory(self) -> Engine:
        return speaking_for(self.api, self.mallory_id)

    def hers(self, query: str) -> Any:
        """Return a value of Alice's workspace."""
        with self.superuser.connect() as connection:
            return connection.execute(text(query), {"w": self.alice_id}).scalars().first()


@pytest.fixture
def home(engine: Engine, database_url_of: DatabaseUrlOf) -> Iterator[Home]:
    alice, mallory = fill_workspace(engine), fill_workspace(engine)
    api = create_engine_for(database_url_of("api"), pool_size=1, role=DatabaseRole.APP)
    yield Home(engine, alice, mallory, api)
    api.dispose()


def answer(connection: Connection, statement: str, **parameters: Any) -> object:
    """Return the first column of what a statement brings, or the SQLSTATE of its refusal."""
    try:
        with connection.begin_nested():
            found = connection.execute(text(statement), parameters)
            return found.scalars().all() if found.returns_rows else found.rowcount
    except DBAPIError as error:
        return violation_of(error).sqlstate


def finds(home: Home, statement: str, **parameters: Any) -> object:
    """Return what Mallory gets for a statement of hers; nothing of it stays."""
    with home.mallory.connect() as connection:
        found = answer(connection, statement, **parameters)
        connection.rollback()
    return found


def without_any_setting(home: Home) -> bool:
    home.api.dispose()
    with home.api.connect() as connection:
        return answer(connection, NAMES.text) != []


def with_an_emptied_setting(home: Home) -> bool:
    with home.alice.begin() as connection:
        connection.execute(NAMES)
    with home.api.connect() as connection:
        return answer(connection, NAMES.text) != []


def with_row_security_off(home: Home) -> bool:
    return sees_two(home, "SET LOCAL row_security = off")


def sees_two(home: Home, before: str) -> bool:
    with home.mallory.connect() as connection:
        connection.execute(text(before))
        seen = answer(connection, "SELECT workspace_id FROM workspace_connector")
        connection.rollback()
    return isinstance(seen, list) and len(seen) == 2


def by_a_unique_key(home: Home) -> bool:
    return tells_of_her_watermark(home, "")


def by_a_conflict_that_does_nothing(home: Home) -> bool:
    return tells_of_her_watermark(home, " ON CONFLICT DO NOTHING")


def tells_of_her_watermark(home: Home, otherwise: str) -> bool:
    """Tell whether an insert fares otherwise where Alice has a row of that key."""
    hers = home.hers("SELECT id FROM workspace_connector WHERE workspace_id = :w")
    insert = (
        "INSERT INTO sync_watermark (connector_id, stream, workspace_id, cursor, value)"
        f" VALUES (:c, 'alice-canary', :w, 'c', '{{}}'){otherwise}"
    )
    told = [finds(home, insert, c=one, w=home.mallory_id) for one in (hers, OF_NOBODY)]
    return told[0] != told[1]


def by_a_conflict_that_changes(home: Home) -> bool:
    hers = home.hers("SELECT id FROM workspace_connector WHERE workspace_id = :w")
    insert = (
        "INSERT INTO connector_credential (connector_id, workspace_id, ciphertext, nonce,"
        " wrapped_key, key_version) VALUES (:c, :w, '', '', '', 'k')"
        " ON CONFLICT (connector_id) DO UPDATE SET key_version = 'stolen'"
    )
    return finds(home, insert, c=hers, w=home.mallory_id) != finds(
        home, insert, c=OF_NOBODY, w=home.mallory_id
    )


def by_emptying_a_table(home: Home) -> bool:
    return finds(home, "TRUNCATE sync_log_event") != "42501"


def by_an_error_that_quotes(home: Home) -> bool:
    # Nothing is cast but what is seen; a row of hers would be told by the error.
    query = "SELECT 1 FROM workspace_connector WHERE workspace_id = :w AND CAST(name AS int) = 1"
    return finds(home, query, w=home.alice_id) != []


def by_statistics(home: Home) -> bool:
    with home.superuser.begin() as connection:
        connection.execute(text("ANALYZE workspace_connector"))
    query = "SELECT tablename FROM pg_stats WHERE tablename = 'workspace_connector'"
    return finds(home, query) != []


def by_a_policy_for_all(home: Home) -> bool:
    return sees_two(home, "SELECT 1")


def by_a_view(home: Home) -> bool:
    return finds(home, "SELECT count(*) FROM seen") == [2]


def by_a_function_of_the_owner(home: Home) -> bool:
    return finds(home, "SELECT counted()") == [2]


def by_a_key_to_a_row_of_another(home: Home) -> bool:
    run = home.hers("SELECT id FROM workspace_connector_sync_log WHERE workspace_id = :w")
    insert = (
        "INSERT INTO sync_log_event (workspace_id, run_id, happened_at, kind)"
        " VALUES (:w, :run, now(), 'forged')"
    )
    return finds(home, insert, w=home.mallory_id, run=run) == 1


OWN = "workspace_id = (SELECT CAST({} AS bigint))"
POLICY = "ALTER POLICY of_one_workspace ON workspace_connector USING ({})"
NO_NULLIF = POLICY.format(OWN.format("current_setting('syncline.workspace_id', true)"))
NO_MISSING_OK = POLICY.format(OWN.format("nullif(current_setting('syncline.workspace_id'), '')"))
DISABLE = "ALTER TABLE workspace_connector DISABLE ROW LEVEL SECURITY"
CHECK_NOTHING = "ALTER POLICY of_one_workspace ON {} WITH CHECK (true)"
CHECK_NO_WATERMARK = CHECK_NOTHING.format("sync_watermark")
VIEW = "CREATE VIEW seen {} AS SELECT id FROM workspace; GRANT SELECT ON seen TO syncline_app"
COUNTED = (
    "CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql {}"
    " AS 'SELECT count(*) FROM public.workspace'"
)
LOOSE_KEY = (
    "ALTER TABLE sync_log_event DROP CONSTRAINT {}; ALTER TABLE sync_log_event"
    " ADD FOREIGN KEY (run_id) REFERENCES workspace_connector_sync_log (id)"
)

PITFALLS: dict[str, tuple[Callable[[Home], bool], str, str]] = {
    "a setting that was never set": (without_any_setting, "", NO_MISSING_OK),
    "a setting that is empty now": (with_an_emptied_setting, "", NO_NULLIF),
    "row_security = off": (with_row_security_off, "", DISABLE),
    "a unique key": (by_a_unique_key, "", CHECK_NO_WATERMARK),
    "ON CONFLICT DO NOTHING": (by_a_conflict_that_does_nothing, "", CHECK_NO_WATERMARK),
    "ON CONFLICT DO UPDATE": (
        by_a_conflict_that_changes,
        "",
        CHECK_NOTHING.format("connector_credential"),
    ),
    "TRUNCATE": (by_emptying_a_table, "", "GRANT TRUNCATE ON sync_log_event TO syncline_app"),
    "an error that quotes": (by_an_error_that_quotes, "", DISABLE),
    "statistics": (by_statistics, "", DISABLE),
    "a policy for everybody": (
        by_a_policy_for_all,
        "",
        "CREATE POLICY x ON workspace_connector USING (true)",
    ),
    "a view": (
        by_a_view,
        VIEW.format("WITH (security_invoker = true)"),
        "ALTER VIEW seen SET (security_invoker = false)",
    ),
    "a function": (
        by_a_function_of_the_owner,
        COUNTED.format("SECURITY INVOKER"),
        "ALTER FUNCTION counted() SECURITY DEFINER",
    ),
    "a foreign key": (by_a_key_to_a_row_of_another, "", LOOSE_KEY),
}
"""What is tried, what is there before, and what switches the guard off."""


@pytest.mark.parametrize("name", PITFALLS)
def test_a_way_around_is_shut_and_open_once_its_guard_is_off(home: Home, name: str) -> None:
    leaks, before, switch_off = PITFALLS[name]
    constraint = home.hers(
        "SELECT conname FROM pg_constraint WHERE conrelid = CAST('sync_log_event' AS regclass)"
        " AND confrelid = CAST('workspace_connector_sync_log' AS regclass) AND :w > 0"
    )
    run_all(home, before)
    assert not leaks(home)
    run_all(home, switch_off.format(constraint))
    assert leaks(home)


def run_all(home: Home, statements: str) -> None:
    with home.superuser.begin() as connection:
        for statement in filter(None, statements.split("; ")):
            connection.execute(text(statement))


def test_a_setting_of_the_session_would_meet_whoever_comes_next(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names_left() -> object:
        with home.alice.begin() as connection:
            connection.execute(NAMES)
        with home.api.connect() as connection:
            return answer(connection, NAMES.text)

    assert names_left() == []
    statement = property(lambda self: f"SET SESSION {self.name} = '{self.value}'")
    monkeypatch.setattr(LocalSetting, "statement", statement)
    assert names_left() == ["alice-canary"]


def test_a_setting_made_by_hand_is_gone_after_the_commit_and_that_of_the_engine_is_not(
    home: Home,
) -> None:
    by_hand = text("SELECT set_config('syncline.workspace_id', :w, true)")
    with home.api.connect() as connection:
        connection.execute(by_hand, {"w": str(home.alice_id)})
        assert connection.execute(NAMES).scalars().all() == ["alice-canary"]
        connection.commit()
        assert connection.execute(NAMES).scalars().all() == []
    with home.alice.connect() as connection:
        for end in (connection.commit, connection.rollback):
            assert connection.execute(NAMES).scalars().all() == ["alice-canary"]
            end()


def test_a_savepoint_that_is_rolled_back_takes_no_other_workspace_along(home: Home) -> None:
    by_hand = text("SELECT set_config('syncline.workspace_id', :w, true)")
    query = text("SELECT workspace_id FROM workspace_connector")
    with home.mallory.connect() as connection:
        connection.execute(query)
        with connection.begin_nested() as savepoint:
            connection.execute(by_hand, {"w": "0"})
            assert connection.execute(query).scalars().all() == []
            savepoint.rollback()
        assert connection.execute(query).scalars().all() == [home.mallory_id]


def test_a_statement_prepared_for_one_workspace_is_of_the_next_for_the_next(home: Home) -> None:
    with home.alice.begin() as connection:
        connection.execute(text("PREPARE ids AS SELECT workspace_id FROM workspace_connector"))
    for _ in range(7):  # from the sixth time on the plan may be one for all
        for engine, expected in ((home.alice, home.alice_id), (home.mallory, home.mallory_id)):
            with engine.begin() as connection:
                assert connection.execute(text("EXECUTE ids")).scalars().all() == [expected]
    with single_statements(home.api) as connection:
        assert connection.execute(text("EXECUTE ids")).scalars().all() == []


@pytest.mark.parametrize(
    "role", ["syncline_system", "postgres", "syncline_login_worker", "pg_read_all_data"]
)
def test_a_login_of_the_api_becomes_nobody_else(home: Home, role: str) -> None:
    for statement in (f"SET LOCAL ROLE {role}", f"SET LOCAL SESSION AUTHORIZATION {role}"):
        assert finds(home, statement) == "42501"


def test_a_login_that_may_become_the_other_role_sees_all(home: Home) -> None:
    with home.superuser.connect() as connection, connection.begin():
        connection.execute(text("CREATE ROLE pitfall_of_roles NOINHERIT"))
        connection.execute(text("GRANT syncline_app, syncline_system TO pitfall_of_roles"))
        connection.execute(text("SET LOCAL SESSION AUTHORIZATION pitfall_of_roles"))
        connection.execute(text("SET LOCAL ROLE syncline_system"))
        assert len(connection.execute(NAMES).all()) == 2
        connection.rollback()


REFERENCES = """
SELECT CAST(CAST(k.conrelid AS regclass) AS text), CAST(CAST(k.confrelid AS regclass) AS text),
    (SELECT array_agg(a.attname ORDER BY i) FROM unnest(k.conkey) WITH ORDINALITY AS u (n, i)
        JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.n),
    (SELECT array_agg(a.attname ORDER BY i) FROM unnest(k.confkey) WITH ORDINALITY AS u (n, i)
        JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.n)
FROM pg_constraint AS k
WHERE k.contype = 'f' AND k.connamespace = CAST('public' AS regnamespace)
"""


def test_no_row_refers_to_a_row_of_another_workspace(home: Home) -> None:
    """Tried by a superuser, whom no policy binds: the keys themselves refuse it."""
    with home.superuser.connect() as connection:
        references = [
            (table, target, columns, keys)
            for table, target, columns, keys in connection.execute(text(REFERENCES)).all()
            if table in TENANT_TABLES and target in TENANT_TABLES and target != "workspace"
        ]
        assert len(references) > 5
        for table, target, columns, keys in references:
            pairs = dict(zip(columns, keys, strict=True))
            assert "workspace_id" in pairs.values(), f"{table} refers to {target} by id alone"
            changes = ", ".join(f"{a} = p.{b}" for a, b in pairs.items() if b != "workspace_id")
            change = (
                f"UPDATE {table} AS t SET {changes} FROM {target} AS p"
                f" WHERE t.{key_of(table)} = :mine AND p.{key_of(target)} = :hers"
            )
            ids = {"mine": home.mallory_id, "hers": home.alice_id}
            told = answer(connection, change, **ids)
            if told == "23505":  # she has such a row: without it there is the key alone
                connection.execute(text(f"DELETE FROM {table} WHERE {key_of(table)} = :hers"), ids)
                told = answer(connection, change, **ids)
                connection.rollback()
            assert told == "23503", f"{table} refers to {target} of another workspace"
