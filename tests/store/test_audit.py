"""The audit log is only ever added to, and its chain tells when somebody did more."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from shared.domain.audit import (
    MOST_BYTES,
    Actor,
    ActorKind,
    AuditFilter,
    Change,
    ObjectKind,
    Origin,
    Outcome,
)
from shared.store.audit import MOST_REFUSED, Verdict, append_audit, verify_audit
from shared.store.audit_pages import list_audit
from shared.store.rows import to_json
from shared.store.violations import violation_of
from shared.store.workspaces import insert_workspace
from tests.factories import Tenant, make_principal

_REHASH = (
    "UPDATE audit_log AS a SET hash = sha256(a.previous_hash || convert_to(audit_text(a), 'UTF8'))"
)
ALICE = Actor(ActorKind.API_KEY, "alice", uuid4(), Origin("192.0.2.7", "r-1"))


def _tenant(engine: Engine) -> Tenant:
    """Return a workspace with an empty log; one that is made as usual has an entry of that."""
    slug = f"w-{uuid4().hex[:12]}"
    with engine.begin() as connection:
        workspace_id = insert_workspace(connection, {"slug": slug, "name": slug})
    return Tenant(workspace_id, make_principal(workspace_id))


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return _tenant(engine)


def _change(number: int, **more: object) -> Change:
    values = {"after": {"number": number}, **more}
    return Change("create", ObjectKind.CONNECTOR, UUID(int=number), f"c{number}", **values)  # pyright: ignore[reportArgumentType]


def _append(engine: Engine, tenant: Tenant, *changes: Change) -> None:
    for change in changes:
        with engine.begin() as connection:
            append_audit(connection, tenant.workspace_id, ALICE, change)


def _verdict(engine: Engine, tenant: Tenant) -> Verdict:
    with engine.connect() as connection:
        return verify_audit(connection, tenant.workspace_id)


def _entries(engine: Engine, tenant: Tenant, **wanted: object) -> Sequence[int]:
    with engine.connect() as connection:
        asked = AuditFilter(**wanted)  # pyright: ignore[reportArgumentType]
        page = list_audit(connection, tenant.workspace_id, asked, after=None, limit=100)
    return [row["seq"] for row in page.rows]


def test_a_change_is_kept_with_who_made_it_from_where_and_what_it_changed(
    engine: Engine, tenant: Tenant
) -> None:
    change = Change(
        "change",
        ObjectKind.SCHEDULE,
        UUID(int=5),
        "nightly",
        before={"timezone": "UTC", "name": "nightly"},
        after={"timezone": "Europe/Oslo", "name": "nightly"},
    )
    _append(engine, tenant, change)
    with engine.connect() as connection:
        page = list_audit(connection, tenant.workspace_id, AuditFilter(), after=None, limit=10)
    [row] = page.rows
    assert (row["seq"], row["actor_name"], row["actor_id"]) == (1, "alice", ALICE.id)
    assert (row["address"], row["request_id"]) == ("192.0.2.7", "r-1")
    assert (row["action"], row["object_kind"], row["object_name"]) == (
        "change",
        "schedule",
        "nightly",
    )
    assert (row["before"], row["after"]) == ({"timezone": "UTC"}, {"timezone": "Europe/Oslo"})
    assert (row["outcome"], row["code"]) == ("done", None)


def test_what_is_rolled_back_leaves_no_entry_and_no_gap(engine: Engine, tenant: Tenant) -> None:
    _append(engine, tenant, _change(1))
    with engine.connect() as connection:
        append_audit(connection, tenant.workspace_id, ALICE, _change(2))
        connection.rollback()
    _append(engine, tenant, _change(3))
    assert _entries(engine, tenant) == [2, 1]
    assert _verdict(engine, tenant).broken_at is None


def test_changes_at_once_are_chained_one_after_the_other(engine: Engine, tenant: Tenant) -> None:
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda n: _append(engine, tenant, _change(n)), range(25)))
    assert _entries(engine, tenant) == list(range(25, 0, -1))
    assert _verdict(engine, tenant).broken_at is None


def test_each_workspace_has_a_chain_of_its_own(engine: Engine, tenant: Tenant) -> None:
    other = _tenant(engine)
    _append(engine, tenant, _change(1), _change(2))
    _append(engine, other, _change(3))
    assert (_entries(engine, tenant), _entries(engine, other)) == ([2, 1], [1])
    assert _verdict(engine, other).entries == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor_name = 'mallory'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
    ],
)
def test_nobody_changes_or_deletes_an_entry(engine: Engine, tenant: Tenant, statement: str) -> None:
    _append(engine, tenant, _change(1))
    with pytest.raises(DBAPIError, match="only ever added to"), engine.begin() as connection:
        connection.execute(text(statement))


def test_number_and_hashes_are_not_the_callers_to_choose(engine: Engine, tenant: Tenant) -> None:
    _append(engine, tenant, _change(1))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO audit_log (workspace_id, seq, actor_kind, actor_name, action,"
                " object_kind, outcome, previous_hash, hash, created_at) VALUES"
                " (:id, 77, 'operator', 'm', 'create', 'run', 'done', 'x', 'y', '2000-01-01')"
            ),
            {"id": tenant.workspace_id},
        )
        query = text("SELECT created_at FROM audit_log WHERE workspace_id = :id AND seq = 2")
        made: datetime = connection.execute(query, {"id": tenant.workspace_id}).scalar_one()
    assert datetime.now(UTC) - made < timedelta(hours=1)
    assert _verdict(engine, tenant).broken_at is None


@pytest.mark.parametrize(
    ("forgery", "broken_at"),
    [
        ("UPDATE audit_log SET actor_name = 'mallory' WHERE seq = 3", 3),
        ("UPDATE audit_log SET after = '{\"number\": 9}' WHERE seq = 3", 3),
        ("UPDATE audit_log SET created_at = created_at - interval '1 day' WHERE seq = 1", 1),
        ("DELETE FROM audit_log WHERE seq = 3", 4),
        ("DELETE FROM audit_log WHERE seq = 1", 2),
        ("DELETE FROM audit_log WHERE seq = 5", 5),
        ("DELETE FROM audit_log", 1),
        ("UPDATE audit_log SET seq = seq + 1 WHERE seq = 5", 6),
        # Somebody who computes the hash of the changed entry anew breaks the next link.
        (
            f"UPDATE audit_log SET actor_name = 'mallory' WHERE seq = 3; {_REHASH} WHERE seq = 3",
            4,
        ),
    ],
)
def test_a_forgery_of_whoever_owns_the_table_is_found(
    engine: Engine, tenant: Tenant, forgery: str, broken_at: int
) -> None:
    _append(engine, tenant, *map(_change, range(5)))
    assert _verdict(engine, tenant).broken_at is None
    with engine.begin() as connection:
        _forge(connection, tenant, forgery)
    assert _verdict(engine, tenant).broken_at == broken_at


def _forge(connection: Connection, tenant: Tenant, forgery: str) -> None:
    connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER keep_audit_log"))
    for statement in forgery.split(";"):
        only = "WHERE" if "WHERE" not in statement else "AND"
        connection.execute(text(f"{statement} {only} workspace_id = {tenant.workspace_id}"))
    connection.execute(text("ALTER TABLE audit_log ENABLE TRIGGER keep_audit_log"))


def test_a_chain_longer_than_a_page_is_followed_to_its_end(
    engine: Engine, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.store.audit._VERIFIED_AT_ONCE", 2)
    _append(engine, tenant, *map(_change, range(5)))
    verdict = _verdict(engine, tenant)
    assert (verdict.entries, verdict.broken_at, len(verdict.head)) == (5, None, 32)
    with engine.begin() as connection:
        _forge(connection, tenant, "UPDATE audit_log SET action = 'x' WHERE seq = 5")
    assert _verdict(engine, tenant).broken_at == 5


def test_an_empty_log_is_whole(engine: Engine, tenant: Tenant) -> None:
    assert _verdict(engine, tenant) == Verdict(0, b"")


def test_refusals_are_kept_up_to_a_number_a_minute_and_changes_always(
    engine: Engine, tenant: Tenant
) -> None:
    with engine.begin() as connection:
        for number in range(MOST_REFUSED + 5):
            change = _change(number, after=None, code="forbidden")
            append_audit(connection, tenant.workspace_id, ALICE, change)
        append_audit(connection, tenant.workspace_id, ALICE, _change(1))
    assert len(_entries(engine, tenant, outcome=Outcome.REFUSED)) == MOST_REFUSED
    assert _entries(engine, tenant, outcome=Outcome.DONE) == [MOST_REFUSED + 1]


def test_many_changes_at_once_are_chained_in_their_order(engine: Engine, tenant: Tenant) -> None:
    refused = _change(3, after=None, code="not_found")
    with engine.begin() as connection:
        append_audit(
            connection, tenant.workspace_id, ALICE, _change(1), _change(2), refused, _change(4)
        )
        append_audit(connection, tenant.workspace_id, ALICE)
    with engine.connect() as connection:
        page = list_audit(connection, tenant.workspace_id, AuditFilter(), after=None, limit=10)
    assert [row["object_name"] for row in page.rows] == ["c4", "c3", "c2", "c1"]
    assert _verdict(engine, tenant) == Verdict(4, bytes(page.rows[0]["hash"]))


def test_of_many_refusals_at_once_as_many_are_kept_as_there_is_room_for(
    engine: Engine, tenant: Tenant
) -> None:
    refused = [_change(number, after=None, code="x") for number in range(MOST_REFUSED - 1)]
    with engine.begin() as connection:
        append_audit(connection, tenant.workspace_id, ALICE, refused[0])
        append_audit(connection, tenant.workspace_id, ALICE, *refused, refused[0], _change(1))
    assert len(_entries(engine, tenant, outcome=Outcome.REFUSED)) == MOST_REFUSED
    assert len(_entries(engine, tenant, outcome=Outcome.DONE)) == 1


def test_a_change_that_changes_nothing_is_left_out(engine: Engine, tenant: Tenant) -> None:
    same = {"name": "a", "config": {"url": "x"}}
    _append(engine, tenant, _change(1, before=same, after={**same, "updated_at": "later"}))
    assert _entries(engine, tenant) == []


@pytest.mark.parametrize("side", ["before", "after"])
def test_what_is_kept_of_one_change_is_bounded_by_the_table(
    engine: Engine, tenant: Tenant, side: str
) -> None:
    statement = text(
        f"INSERT INTO audit_log (workspace_id, seq, actor_kind, actor_name, action, object_kind,"
        f" outcome, previous_hash, hash, {side}) VALUES"
        f" (:id, 0, 'operator', 'm', 'x', 'run', 'done', '', '', CAST(:fields AS jsonb))"
    )
    parameters = {"id": tenant.workspace_id, "fields": to_json({"x": "a" * (1 << 20)})}
    with pytest.raises(DBAPIError) as refused, engine.begin() as connection:
        connection.execute(statement, parameters)
    assert violation_of(refused.value).constraint == "audit_bounded"


def test_the_largest_that_is_kept_is_within_that_bound(engine: Engine, tenant: Tenant) -> None:
    largest = {"numbers": [1] * (MOST_BYTES // 3), "small": [{}] * 100}
    _append(engine, tenant, _change(1, before={**largest, "x": 1}, after=None))
    assert _entries(engine, tenant) == [1]
