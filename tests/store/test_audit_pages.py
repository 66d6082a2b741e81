"""Pages of the audit log: in order, by any filter, and quick at any depth."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event, text

from shared.domain.audit import Actor, ActorKind, AuditFilter, Change, ObjectKind, Outcome
from shared.store import log_pages
from shared.store.audit import append_audit
from shared.store.audit_pages import list_audit
from shared.store.log_pages import LogPage
from shared.store.workspaces import insert_workspace

ALICE = Actor(ActorKind.API_KEY, "alice", uuid4())
BOB = Actor(ActorKind.MEMBER, "bob", uuid4())
OBJECT = UUID(int=7)


@pytest.fixture
def workspace(engine: Engine) -> int:
    """Return a workspace with ten entries; of each three, one is Bob's, of each two, one a run."""
    slug = f"w-{uuid4().hex[:12]}"
    with engine.begin() as connection:
        key = insert_workspace(connection, {"slug": slug, "name": slug})
        for number in range(1, 11):
            kind = ObjectKind.RUN if number % 2 == 0 else ObjectKind.CONNECTOR
            change = Change(
                f"change_{kind}",
                kind,
                OBJECT if number % 5 == 0 else uuid4(),
                code="not_found" if number == 4 else None,
                after={"number": number},
            )
            append_audit(connection, key, BOB if number % 3 == 0 else ALICE, change)
    return key


def _page(
    engine: Engine, workspace: int, *, after: Any = None, limit: int = 100, **wanted: Any
) -> LogPage:
    with engine.connect() as connection:
        return list_audit(connection, workspace, AuditFilter(**wanted), after=after, limit=limit)


def _numbers(page: LogPage) -> Sequence[int]:
    return [row["seq"] for row in page.rows]


def _all(engine: Engine, workspace: int, *, limit: int, **wanted: Any) -> list[int]:
    found: list[int] = []
    page = _page(engine, workspace, limit=limit, **wanted)
    while page.next_place is not None:
        found += _numbers(page)
        page = _page(engine, workspace, after=page.next_place, limit=limit, **wanted)
    return found + list(_numbers(page))


FILTERS: tuple[tuple[dict[str, Any], Sequence[int]], ...] = (
    ({}, range(10, 0, -1)),
    ({"kind": ObjectKind.RUN}, [10, 8, 6, 4, 2]),
    ({"action": "change_connector"}, [9, 7, 5, 3, 1]),
    ({"actor_id": BOB.id}, [9, 6, 3]),
    ({"object_id": OBJECT}, [10, 5]),
    ({"outcome": Outcome.REFUSED}, [4]),
    ({"outcome": Outcome.DONE}, [10, 9, 8, 7, 6, 5, 3, 2, 1]),
    ({"actor_id": BOB.id, "kind": ObjectKind.RUN}, [6]),
    ({"object_id": OBJECT, "actor_id": BOB.id}, []),
    ({"outcome": Outcome.REFUSED, "kind": ObjectKind.CONNECTOR}, []),
    ({"actor_id": uuid4()}, []),
)


def test_each_entry_of_a_filter_comes_once_newest_first_on_any_pages(
    engine: Engine, workspace: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for looked_at, limit in product((2, 5_000), (1, 3, 10)):
        monkeypatch.setattr(log_pages, "MOST_LOOKED_AT", looked_at)
        for wanted, numbers in FILTERS:
            found = _all(engine, workspace, limit=limit, **wanted)
            assert found == list(numbers), (wanted, looked_at, limit)


def test_pages_stay_where_they_are_while_entries_are_added(engine: Engine, workspace: int) -> None:
    first = _page(engine, workspace, limit=4)
    with engine.begin() as connection:
        append_audit(connection, workspace, ALICE, Change("x", ObjectKind.RUN, after={}))
    second = _page(engine, workspace, limit=4, after=first.next_place)
    assert _numbers(second) == [6, 5, 4, 3]


def test_since_is_included_and_until_is_not(engine: Engine, workspace: int) -> None:
    at = {row["seq"]: row["created_at"] for row in _page(engine, workspace).rows}
    assert _numbers(_page(engine, workspace, since=at[8])) == [10, 9, 8]
    assert _numbers(_page(engine, workspace, until=at[3])) == [2, 1]
    assert _all(engine, workspace, limit=1, until=at[4], since=at[2]) == [3, 2]
    newest = _page(engine, workspace, limit=1).next_place
    assert _numbers(_page(engine, workspace, after=newest, until=at[3])) == [2, 1]
    later = datetime.now(UTC) + timedelta(hours=1)
    assert _numbers(_page(engine, workspace, since=later)) == []


def test_another_workspace_has_a_log_of_its_own(engine: Engine, workspace: int) -> None:
    assert _numbers(_page(engine, workspace + 1)) == []


INDEX_OF = {
    "audit_log_by_time": {},
    "audit_log_of_object": {"object_id": OBJECT},
    "audit_log_of_actor": {"actor_id": BOB.id},
    "audit_log_of_action": {"action": "change_run"},
    "audit_log_of_kind": {"kind": ObjectKind.RUN},
    "refused_in_audit_log": {"outcome": Outcome.REFUSED},
}


def test_each_filter_follows_an_index_in_the_order_of_the_log(
    engine: Engine, workspace: int
) -> None:
    for index, wanted in INDEX_OF.items():
        assert f"using {index} " in _plan(engine, workspace, wanted)


def _plan(engine: Engine, workspace: int, wanted: dict[str, Any]) -> str:
    """Return the plan of a page behind the first, were the log too long to be read or sorted."""
    place = _page(engine, workspace, limit=1).next_place
    statements: list[tuple[str, Any]] = []

    def note(_c: object, _k: object, statement: str, values: Any, *_more: object) -> None:
        statements.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    _page(engine, workspace, after=place, **wanted)
    event.remove(engine, "before_cursor_execute", note)
    [(statement, values)] = statements
    with engine.connect() as connection:
        for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
            connection.execute(text(f"SET LOCAL {setting} = off"))
        return "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars())
