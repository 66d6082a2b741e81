"""What a workspace can do to another one's rows with statements of its own: nothing."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from shared.domain.members import Identity
from shared.store.engine import create_engine_for, read_only, single_statements
from shared.store.tenancy import (
    DatabaseRole,
    addressing,
    identified,
    presenting,
    speaking_for,
)
from shared.store.violations import violation_of
from tests.conftest import DatabaseUrlOf
from tests.store.tenants import TENANT_TABLES, fill_workspace, key_of

REFUSED = "42501"
WORKSPACE = text("SELECT current_setting('syncline.workspace_id', true)")
CONNECTORS = text("SELECT workspace_id FROM workspace_connector")
NAME = "alice-canary"
CONNECTORS_BY_NAME = text("SELECT workspace_id FROM workspace_connector WHERE name = :name")
UNREADABLE = {"audit_head"}
"""Tables of which the api may not even know that they are there."""
READABLE = [table for table in TENANT_TABLES if table not in UNREADABLE]


@dataclass(frozen=True)
class Two:
    """Alice's and Mallory's workspaces, and the api's engine: of nobody, of her, and of him."""

    alice_id: int
    mallory_id: int
    nobody: Engine
    alice: Engine
    mallory: Engine


@pytest.fixture
def two(engine: Engine, database_url_of: DatabaseUrlOf) -> Iterator[Two]:
    alice, mallory = fill_workspace(engine), fill_workspace(engine)
    # One connection: whatever is left on it meets the next.
    api = create_engine_for(database_url_of("api"), pool_size=1, role=DatabaseRole.APP)
    yield Two(alice, mallory, api, speaking_for(api, alice), speaking_for(api, mallory))
    api.dispose()


def owners(engine: Engine, table: str) -> set[int]:
    """Return the workspaces of which an engine sees rows."""
    with single_statements(engine) as connection:
        return set(connection.execute(text(f"SELECT {key_of(table)} FROM {table}")).scalars())


def refusal(connection: Connection, statement: str, **parameters: Any) -> str:
    """Return the SQLSTATE by which a statement is refused, or the number of rows it touched."""
    try:
        with connection.begin_nested():
            return str(connection.execute(text(statement), parameters).rowcount)
    except DBAPIError as error:
        return violation_of(error).sqlstate


def content(engine: Engine, table: str, workspace: int) -> list[str]:
    with engine.connect() as connection:
        query = text(f"SELECT CAST(t AS text) FROM {table} AS t WHERE {key_of(table)} = :w")
        return sorted(connection.execute(query, {"w": workspace}).scalars())


def test_every_table_of_a_tenant_has_a_row_in_these_tests(engine: Engine, two: Two) -> None:
    for table in TENANT_TABLES:
        assert content(engine, table, two.alice_id), f"tests/store/tenants.py makes no {table}"


def test_a_workspace_sees_its_own_rows_and_no_others(two: Two) -> None:
    for table in READABLE:
        assert owners(two.alice, table) == {two.alice_id}, table
        assert owners(two.mallory, table) == {two.mallory_id}, table
        assert owners(two.nobody, table) == set(), table


def test_rows_of_another_workspace_are_neither_changed_nor_deleted(
    engine: Engine, two: Two
) -> None:
    for table in TENANT_TABLES:
        key, before = key_of(table), content(engine, table, two.alice_id)
        with engine.connect() as connection:
            query = text(
                "SELECT column_name FROM information_schema.column_privileges"
                " WHERE grantee = 'syncline_app' AND privilege_type = 'UPDATE'"
                " AND table_name = :t ORDER BY column_name = :key, column_name LIMIT 1"
            )
            column = connection.execute(query, {"t": table, "key": key}).scalar()
        with two.mallory.connect() as connection:
            of_alice = {"w": two.alice_id}
            change = f"UPDATE {table} SET {column or key} = {column or key} WHERE {key} = :w"
            assert refusal(connection, change, **of_alice) in ("0", REFUSED), table
            delete = f"DELETE FROM {table} WHERE {key} = :w"
            assert refusal(connection, delete, **of_alice) in ("0", REFUSED), table
            # Statements that read no column of what they delete or change meet the policy, too.
            assert refusal(connection, f"DELETE FROM {table}") != "2", table
            connection.rollback()
        assert content(engine, table, two.alice_id) == before, table


def test_no_row_is_written_into_another_workspace_or_moved_there(engine: Engine, two: Two) -> None:
    for table in TENANT_TABLES:
        with engine.connect() as connection:
            query = text(f"SELECT CAST(to_jsonb(t) AS text) FROM {table} AS t WHERE {{}} = :w")
            query = text(query.text.format(key_of(table)))
            row = connection.execute(query, {"w": two.alice_id}).scalars().first()
        with two.mallory.connect() as connection:
            copy = (
                f"INSERT INTO {table} OVERRIDING SYSTEM VALUE"
                f" SELECT * FROM jsonb_populate_record(CAST(NULL AS {table}), CAST(:row AS jsonb))"
            )
            assert refusal(connection, copy, row=row) == REFUSED, table
            move = f"UPDATE {table} SET {key_of(table)} = :w"
            # The key of a workspace is always the database's to give.
            assert refusal(connection, move, w=two.alice_id) in (REFUSED, "428C9"), table
            connection.rollback()


def test_copying_a_table_out_brings_only_ones_own_and_copying_in_is_refused(two: Two) -> None:
    for table in READABLE:
        with two.mallory.connect() as connection:
            connection.execute(WORKSPACE)
            driver: Any = connection.connection.dbapi_connection
            out = io.BytesIO()
            driver.cursor().execute(f"COPY {table} ({key_of(table)}) TO STDOUT", stream=out)
            assert set(out.getvalue().split()) == {str(two.mallory_id).encode()}, table
            connection.rollback()
    with two.mallory.connect() as connection:
        connection.execute(WORKSPACE)
        driver = connection.connection.dbapi_connection
        line = io.BytesIO(b"1\t1\tnow\tforged\n")
        statement = "COPY sync_log_event (workspace_id, run_id, happened_at, kind) FROM STDIN"
        with pytest.raises(Exception, match="COPY FROM not supported with row-level security"):
            driver.cursor().execute(statement, stream=line)


@pytest.mark.parametrize("role", ["api", "dispatcher"])
def test_nobody_empties_a_table_past_the_policies(
    database_url_of: DatabaseUrlOf, role: str
) -> None:
    engine = create_engine_for(database_url_of(role))
    with engine.connect() as connection:
        for table in TENANT_TABLES:
            assert refusal(connection, f"TRUNCATE {table} CASCADE") == REFUSED, table
    engine.dispose()


TELLING = {
    "sync_schedule": (
        "INSERT INTO sync_schedule (workspace_id, connector_id, name, frequency, timezone)"
        " VALUES (:w, :c, 's', 'manual', 'UTC')"
    ),
    "connector_credential": (
        "INSERT INTO connector_credential (connector_id, workspace_id, ciphertext, nonce,"
        " wrapped_key, key_version) VALUES (:c, :w, '', '', '', 'k')"
    ),
    "sync_watermark": (
        "INSERT INTO sync_watermark (connector_id, stream, workspace_id, cursor, value)"
        " VALUES (:c, 'alice-canary', :w, 'c', '{}')"
    ),
    "connector_stream": (
        "INSERT INTO connector_stream (connector_id, stream, workspace_id, status)"
        " VALUES (:c, 'alice-canary', :w, 'success')"
    ),
    "run in progress": (
        "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, trigger_type,"
        " idempotency_key, not_before_at, status, started_at, lease_expires_at)"
        " VALUES (:w, :c, 'manual', gen_random_uuid(), now(), 'in_progress', now(), now())"
    ),
}


@pytest.mark.parametrize("what", TELLING)
def test_a_unique_key_does_not_tell_what_another_workspace_has(
    engine: Engine, two: Two, what: str
) -> None:
    with engine.connect() as connection:
        query = text("SELECT id FROM workspace_connector WHERE workspace_id = :w")
        alices = connection.execute(query, {"w": two.alice_id}).scalar_one()
    with two.mallory.connect() as connection:
        told = [
            refusal(connection, TELLING[what], w=two.mallory_id, c=connector)
            for connector in (alices, 987_654_321)
        ]
        connection.rollback()
    assert told == [REFUSED, REFUSED]


def test_the_key_of_another_workspaces_period_is_neither_found_nor_taken(
    engine: Engine, two: Two
) -> None:
    with engine.connect() as connection:
        query = text("SELECT public_id FROM workspace_connector WHERE workspace_id = :w")
        alices = connection.execute(query, {"w": two.alice_id}).scalar_one()
    change = "UPDATE workspace_connector_sync_log SET idempotency_key = :key"
    insert = (
        "INSERT INTO workspace_connector_sync_log (workspace_id, connector_id, trigger_type,"
        " idempotency_key, not_before_at)"
        " SELECT workspace_id, id, 'manual', :key, now() FROM workspace_connector"
    )
    with two.mallory.connect() as connection:
        for key in (f"{alices}-alice", f"{alices}:2027-01-01T00:00:00Z"):
            assert refusal(connection, insert, key=key) == REFUSED
            assert refusal(connection, change, key=key) == REFUSED
        connection.rollback()


def test_a_connection_that_had_a_workspace_shows_nothing_to_whoever_names_none(two: Two) -> None:
    # With parameters and without, in a transaction and alone: each goes another way.
    for unit, query in product(
        (two.alice.begin, lambda: single_statements(two.alice)), (CONNECTORS, CONNECTORS_BY_NAME)
    ):
        with unit() as connection:
            rows = connection.execute(query, {} if query is CONNECTORS else {"name": NAME})
            assert rows.scalars().all() == [two.alice_id]
        # The setting is now empty, not absent: without nullif this would be an error.
        with two.nobody.begin() as connection:
            assert connection.execute(WORKSPACE).scalar_one() == ""
            assert connection.execute(CONNECTORS).scalars().all() == []
        assert owners(two.nobody, "workspace") == set()


def test_the_workspace_of_one_request_is_not_there_in_the_next(two: Two) -> None:
    for _ in range(2):
        assert owners(two.alice, "workspace_connector") == {two.alice_id}
        assert owners(two.mallory, "workspace_connector") == {two.mallory_id}
        with pytest.raises(DBAPIError), single_statements(two.alice) as connection:
            connection.execute(text("SELECT 1 / CAST(:n AS integer)"), {"n": 0})
        assert owners(two.nobody, "workspace_connector") == set()
        with pytest.raises(DBAPIError), two.alice.begin() as connection:
            connection.execute(text("SELECT 1 / 0"))
        assert owners(two.nobody, "workspace_connector") == set()


def test_the_workspace_outlives_a_commit_a_rollback_and_a_savepoint(two: Two) -> None:
    with two.alice.connect() as connection:
        for end in (connection.commit, connection.rollback):
            assert connection.execute(CONNECTORS).scalars().all() == [two.alice_id]
            end()
        connection.execute(CONNECTORS)
        with connection.begin_nested() as savepoint:
            savepoint.rollback()
        assert connection.execute(CONNECTORS).scalars().all() == [two.alice_id]


def test_single_statements_and_snapshots_are_of_the_workspace_too(two: Two) -> None:
    with single_statements(two.alice) as connection:
        assert connection.execute(CONNECTORS).scalars().all() == [two.alice_id]
        for _ in range(2):
            rows = connection.execute(CONNECTORS_BY_NAME, {"name": NAME})
            assert rows.scalars().all() == [two.alice_id]
        change = text("UPDATE workspace_connector SET name = :name")
        assert connection.execute(change, {"name": NAME}).rowcount == 1
    with read_only(two.alice) as connection:
        assert connection.execute(CONNECTORS).scalars().all() == [two.alice_id]


def test_naming_the_workspace_costs_no_round_trip(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []
    with two.nobody.connect() as connection:
        driver = type(connection.connection.dbapi_connection)
    handle = driver.handle_messages
    monkeypatch.setattr(
        driver, "handle_messages", lambda self, context: (waits.append(1), handle(self, context))
    )
    query = text("SELECT CAST(:n AS integer)"), {"n": 1}

    def cost(engine: Engine, *, is_single: bool) -> int:
        waits.clear()
        with single_statements(engine) if is_single else engine.begin() as connection:
            connection.execute(*query)
        return len(waits)

    for is_single in (True, False):
        plain = cost(two.nobody, is_single=is_single)
        assert 0 < cost(two.alice, is_single=is_single) <= plain


def test_whoever_presents_a_secret_sees_its_key_with_its_workspace_and_nothing_else(
    engine: Engine, two: Two
) -> None:
    with engine.connect() as connection:
        query = text("SELECT secret_hash FROM api_key WHERE workspace_id = :w")
        secret_hash = connection.execute(query, {"w": two.alice_id}).scalar_one()
    known, unknown = presenting(two.nobody, secret_hash), presenting(two.nobody, b"\x00" * 32)
    for table in READABLE:
        expected = {two.alice_id} if table in ("api_key", "workspace") else set()
        assert owners(known, table) == expected, table
        assert owners(unknown, table) == set(), table
    with known.connect() as connection:
        assert refusal(connection, "UPDATE api_key SET revoked_at = now()") == "0"
        assert refusal(connection, "UPDATE workspace SET name = 'Mallory'") == "0"


def test_whoever_shows_a_token_sees_their_memberships_with_the_workspaces_and_nothing_else(
    engine: Engine, two: Two
) -> None:
    with engine.begin() as connection:
        query = text("SELECT subject, email FROM member WHERE workspace_id = :w")
        [(subject, email)] = connection.execute(query, {"w": two.alice_id})
        connection.execute(
            text(
                "INSERT INTO member (workspace_id, issuer, email, name, role)"
                " VALUES (:w, 'https://id.test', 'carol@id.test', 'Carol', 'viewer')"
            ),
            {"w": two.mallory_id},
        )

    def seen(*identity: str | None) -> dict[str, set[int]]:
        shown = identified(two.nobody, Identity(*identity))
        return {table: found for table in READABLE if (found := owners(shown, table))}

    both = {"member": {two.alice_id}, "workspace": {two.alice_id}}
    invited = {"member": {two.mallory_id}, "workspace": {two.mallory_id}}
    assert seen("https://id.test", subject) == both
    assert seen("https://id.test", "carol", "carol@id.test") == invited
    # Neither another issuer, nor the address of somebody who has joined, nor one that is not
    # verified is anybody's.
    assert seen("https://other.test", subject, "carol@id.test") == {}
    assert seen("https://id.test", "mallory", email) == {}
    assert seen("https://id.test", "carol") == {}
    with engine.begin() as connection:
        connection.execute(text("UPDATE member SET removed_at = now()"))
    assert seen("https://id.test", subject, "carol@id.test") == {}


def test_whoever_names_an_endpoint_sees_it_and_nothing_else(engine: Engine, two: Two) -> None:
    with engine.connect() as connection:
        query = text("SELECT public_id FROM webhook_endpoint WHERE workspace_id = :w")
        endpoint = connection.execute(query, {"w": two.alice_id}).scalar_one()
    known = addressing(two.nobody, endpoint)
    for table in READABLE:
        expected = {two.alice_id} if table == "webhook_endpoint" else set()
        assert owners(known, table) == expected, table
