"""Who calls is found in one statement that looks at their own rows, not at those of others."""

import hashlib
import json
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, event, text

from shared.domain.api_keys import ApiKey
from shared.domain.members import INVITATION_LIFE, Identity
from shared.store.callers import (
    find_key_caller,
    find_memberships,
    note_key_used,
)
from shared.store.engine import create_engine_for, single_statements
from shared.store.members import join_member
from shared.store.tenancy import identified, presenting, speaking_for
from tests.conftest import DatabaseUrlOf

WORKSPACES = 2_000
ISSUER = "https://id.test"
SECRET = "7" * 64


@pytest.fixture
def full(engine: Engine) -> Engine:
    """Fill many workspaces with ten keys and ten people each, a tenth of them invited only."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workspace (slug, name)"
                " SELECT 'w' || n, 'w' FROM generate_series(1, :count) AS n"
            ),
            {"count": WORKSPACES},
        )
        connection.execute(
            text(
                "INSERT INTO api_key (workspace_id, name, prefix, secret_hash, role)"
                " SELECT w.id, 'k', w.id || '-' || n, sha256(CAST(w.id || '-' || n AS bytea)),"
                " 'viewer' FROM workspace AS w CROSS JOIN generate_series(1, 10) AS n"
            )
        )
        connection.execute(
            text(
                "INSERT INTO member (workspace_id, issuer, email, subject, joined_at, name, role)"
                " SELECT w.id, :issuer, 'p' || mod(w.id, 700) || '-' || n || '@id.test',"
                " CASE WHEN n > 1 THEN mod(w.id, 700) || '-' || n END,"
                " CASE WHEN n > 1 THEN now() END, 'p', 'viewer'"
                " FROM workspace AS w CROSS JOIN generate_series(1, 10) AS n"
            ),
            {"issuer": ISSUER},
        )
        connection.execute(
            text(
                "UPDATE api_key SET secret_hash = :hash, prefix = 'alice'"
                " WHERE id = (SELECT min(id) FROM api_key)"
            ),
            {"hash": hashlib.sha256(SECRET.encode()).digest()},
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    return engine


@pytest.fixture
def api(full: Engine, database_url_of: DatabaseUrlOf) -> Iterator[Engine]:
    """Return an engine with the login of the api."""
    engine = create_engine_for(database_url_of("api"))
    yield engine
    engine.dispose()


def nodes(plan: dict) -> Iterator[dict]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def most_rows(engine: Engine, ask: Callable[[Connection], object]) -> int:
    """Return how many rows a step of a statement looks at, at most; its rows are found as usual."""
    sent: list[tuple[str, object]] = []

    def note(_: object, __: object, statement: str, parameters: object, *___: object) -> None:
        sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    with single_statements(engine) as connection:
        assert ask(connection)
        event.remove(engine, "before_cursor_execute", note)
        [(statement, parameters)] = sent
        explained = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters
        ).scalar_one()
    [plan] = explained if isinstance(explained, list) else json.loads(explained)
    return max(
        int(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * int(node["Actual Loops"])
        for node in nodes(plan["Plan"])
        if node["Actual Loops"]
    )


def test_a_key_is_found_without_a_look_at_others(api: Engine) -> None:
    key = ApiKey("alice", SECRET)
    assert most_rows(presenting(api, key.secret_hash), lambda c: find_key_caller(c, key)) <= 2


def test_a_person_is_found_without_a_look_at_others(api: Engine) -> None:
    carol = Identity(ISSUER, "7-2", "p7-1@id.test")
    shown = identified(api, carol)
    # Three workspaces that they joined, and three that they are invited to.
    assert most_rows(shown, lambda c: find_memberships(c, carol, None)) <= 12
    with single_statements(shown) as connection:
        found = find_memberships(connection, carol, None)
        assert [row["joined_at"] is None for row in found] == [False] * 3 + [True] * 3
        one = found[1]["workspace_public_id"]
        named = find_memberships(connection, carol, one)
        assert {row["workspace_public_id"] for row in named} == {one}
        assert named[0]["id"] == found[1]["id"]


def test_an_address_that_is_not_verified_finds_no_invitation(api: Engine) -> None:
    carol = Identity(ISSUER, "7-2")
    with single_statements(identified(api, carol)) as connection:
        assert len(find_memberships(connection, carol, None)) == 3


def test_the_use_of_a_key_is_not_waited_for(api: Engine, full: Engine) -> None:
    with full.begin() as busy:
        row = busy.execute(
            text("SELECT id, workspace_id FROM api_key WHERE prefix = 'alice' FOR UPDATE")
        ).one()
        with single_statements(speaking_for(api, row.workspace_id)) as connection:
            note_key_used(connection, row.id)
    with full.connect() as connection:
        used = text("SELECT last_used_at FROM api_key WHERE prefix = 'alice'")
        assert connection.execute(used).scalar_one() is None


def test_an_invitation_is_joined_by_whom_it_is_for_and_once(api: Engine, full: Engine) -> None:
    with full.connect() as connection:
        query = text("SELECT id, workspace_id, public_id FROM member WHERE subject IS NULL LIMIT 1")
        invited = connection.execute(query).one()
        email = connection.execute(
            text("SELECT email FROM member WHERE id = :id"), {"id": invited.id}
        ).scalar_one()
    wrong = [
        Identity("https://other.test", "x", email),
        Identity(ISSUER, "x", "other@id.test"),
        Identity(ISSUER, "x"),
    ]
    with single_statements(speaking_for(api, invited.workspace_id)) as connection:
        assert [join_member(connection, invited.id, one) for one in wrong] == [None] * 3
        with full.begin() as ending:
            age = text("UPDATE member SET invited_at = invited_at + CAST(:by AS interval)")
            ending.execute(age, {"by": -INVITATION_LIFE})
        assert join_member(connection, invited.id, Identity(ISSUER, "x", email)) is None
        with full.begin() as renewing:
            renewing.execute(age, {"by": INVITATION_LIFE})
        joined = join_member(connection, invited.id, Identity(ISSUER, "x", email))
        assert joined is not None
        assert joined["public_id"] == UUID(str(invited.public_id))
        assert join_member(connection, invited.id, Identity(ISSUER, "y", email)) is None
