"""Of refusals in a loop a few are entries, and how many more there were is one as well."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event, text

from shared.domain.audit import Actor, ActorKind, Change, ObjectKind
from shared.store.audit import (
    ENDED_KEY_CODES,
    MOST_REFUSED,
    MOST_REFUSED_OF_ALL,
    MOST_REFUSED_OF_ENDED_KEYS,
    append_audit,
    verify_audit,
)
from shared.store.engine import create_engine_for, single_statements
from shared.store.rows import Row
from shared.store.tenancy import speaking_for
from shared.store.workspaces import insert_workspace
from tests.conftest import DatabaseUrlOf

ALICE = Actor(ActorKind.API_KEY, "alice", UUID(int=1))
BOB = Actor(ActorKind.MEMBER, "bob", UUID(int=2))
# As of an authorization that was begun before callers were known by an id.
NAMELESS = Actor(ActorKind.MEMBER, "", None)
REFUSED = Change("delete_connector", ObjectKind.CONNECTOR, code="forbidden")
DONE = Change("pause_schedule", ObjectKind.SCHEDULE, after={})


@pytest.fixture
def workspace(engine: Engine) -> int:
    return _new_workspace(engine)


@pytest.fixture
def api(database_url_of: DatabaseUrlOf, workspace: int) -> Iterator[Engine]:
    """Return an engine with the login of the api, of the workspace."""
    engine = create_engine_for(database_url_of("api"))
    yield speaking_for(engine, workspace)
    engine.dispose()


def _new_workspace(engine: Engine) -> int:
    slug = f"w-{uuid4().hex[:12]}"
    with engine.begin() as connection:
        return insert_workspace(connection, {"slug": slug, "name": slug})


def _append(api: Engine, workspace: int, actor: Actor, change: Change, times: int = 1) -> None:
    with single_statements(api) as connection:
        for _ in range(times):
            append_audit(connection, workspace, actor, change)


def _later(engine: Engine) -> None:
    """Let a minute pass for what was left out."""
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE refusals_left_out SET first_at = first_at - interval '61 seconds'")
        )


def _entries(engine: Engine, workspace: int) -> Sequence[Row]:
    query = text("SELECT * FROM audit_log WHERE workspace_id = :id ORDER BY seq")
    with engine.connect() as connection:
        assert verify_audit(connection, workspace).broken_at is None
        return connection.execute(query, {"id": workspace}).mappings().all()


def _told(engine: Engine, workspace: int) -> dict[str, int]:
    """Return how many refusals were left out, as the log tells it, by the caller's name."""
    return {
        row["actor_name"]: row["after"]["left_out"]
        for row in _entries(engine, workspace)
        if row["action"] == "leave_out_refusals"
    }


def test_who_is_refused_in_a_loop_keeps_nobody_elses_refusals_out(
    engine: Engine, api: Engine, workspace: int
) -> None:
    _append(api, workspace, BOB, REFUSED, MOST_REFUSED + 5)
    _append(api, workspace, ALICE, REFUSED)
    # Another caller may have the same id, if it is of another kind.
    _append(api, workspace, Actor(ActorKind.API_KEY, "carol", BOB.id), REFUSED)
    names = [row["actor_name"] for row in _entries(engine, workspace)]
    assert names == ["bob"] * MOST_REFUSED + ["alice", "carol"]


def test_all_callers_together_are_bounded_too_and_each_is_told_of(
    engine: Engine, api: Engine, workspace: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_REFUSED < MOST_REFUSED_OF_ALL <= 1_000
    monkeypatch.setattr("shared.store.audit.MOST_REFUSED_OF_ALL", 5)
    for actor in (ALICE, BOB, NAMELESS):
        _append(api, workspace, actor, REFUSED, 3)
    assert [row["actor_name"] for row in _entries(engine, workspace)] == ["alice"] * 3 + ["bob"] * 2
    _later(engine)
    _append(api, workspace, ALICE, DONE)
    assert _told(engine, workspace) == {"bob": 1, "": 3}


@pytest.mark.parametrize("code", sorted(ENDED_KEY_CODES))
def test_keys_that_ended_are_bounded_together_and_keep_no_callers_refusals_out(
    engine: Engine, api: Engine, workspace: int, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr("shared.store.audit.MOST_REFUSED_OF_ALL", 12)
    keys = [Actor(ActorKind.API_KEY, f"old {n}", UUID(int=10 + n)) for n in range(10)]
    for key in keys:
        _append(api, workspace, key, replace(REFUSED, code=code), 2)
    _append(api, workspace, BOB, REFUSED, 12)
    names = [row["actor_name"] for row in _entries(engine, workspace)]
    kept = [key.name for key in keys[: MOST_REFUSED_OF_ENDED_KEYS // 2] for _ in range(2)]
    assert names == kept + ["bob"] * 12

    _later(engine)
    _append(api, workspace, ALICE, DONE)
    assert _told(engine, workspace) == {key.name: 2 for key in keys[len(kept) // 2 :]}


def test_callers_keep_no_refusals_of_keys_that_ended_out(
    engine: Engine, api: Engine, workspace: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.store.audit.MOST_REFUSED_OF_ALL", 12)
    _append(api, workspace, BOB, REFUSED, 13)
    _append(api, workspace, ALICE, replace(REFUSED, code=min(ENDED_KEY_CODES)))
    assert [row["actor_name"] for row in _entries(engine, workspace)][12:] == ["alice"]


def test_what_is_told_of_refusals_takes_no_room_from_others(
    engine: Engine, api: Engine, workspace: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.store.audit.MOST_REFUSED_OF_ENDED_KEYS", 0)
    monkeypatch.setattr("shared.store.audit.MOST_REFUSED_OF_ALL", 2)
    for number in range(3):
        key = Actor(ActorKind.API_KEY, "old", UUID(int=10 + number))
        _append(api, workspace, key, replace(REFUSED, code="own_key_expired"))
    _later(engine)
    _append(api, workspace, ALICE, DONE)
    _append(api, workspace, BOB, REFUSED, 2)
    names = [row["actor_name"] for row in _entries(engine, workspace)]
    assert names == ["alice", "old", "old", "old", "bob", "bob"]


def test_a_change_is_one_statement_while_there_is_nothing_to_tell(
    engine: Engine, api: Engine, workspace: int
) -> None:
    _append(api, workspace, BOB, REFUSED, MOST_REFUSED + 1)
    statements: list[object] = []
    event.listen(api, "before_cursor_execute", lambda *told: statements.append(told))
    _append(api, workspace, ALICE, DONE)
    assert len(statements) == 1
    _later(engine)
    _append(api, workspace, ALICE, DONE, 2)
    assert len(statements) == 1 + 2 + 1


def test_what_was_left_out_is_told_by_an_entry_of_its_caller_after_the_next_of_anybody(
    engine: Engine, api: Engine, workspace: int
) -> None:
    _append(api, workspace, BOB, REFUSED, MOST_REFUSED + 7)
    _append(api, workspace, ALICE, DONE)
    assert _told(engine, workspace) == {}, "the minute is not over"
    _later(engine)
    _append(api, workspace, ALICE, DONE)
    last, told = _entries(engine, workspace)[-2:]
    assert (told["actor_kind"], told["actor_id"], told["actor_name"]) == ("member", BOB.id, "bob")
    assert (told["outcome"], told["code"]) == ("refused", "too_many_refusals")
    assert told["after"]["left_out"] == 7
    assert told["after"]["first_at"] < told["after"]["last_at"]
    assert (last["actor_name"], last["action"]) == ("alice", "pause_schedule")
    _append(api, workspace, ALICE, DONE)
    assert len(_entries(engine, workspace)) == MOST_REFUSED + 4, "it is told once"


def test_of_many_refusals_at_once_those_that_find_no_room_are_counted(
    engine: Engine, api: Engine, workspace: int
) -> None:
    with single_statements(api) as connection:
        append_audit(connection, workspace, BOB, DONE, *[REFUSED] * (MOST_REFUSED + 3), DONE)
    assert len(_entries(engine, workspace)) == MOST_REFUSED + 2
    _later(engine)
    _append(api, workspace, BOB, REFUSED)  # which finds no room either
    assert _told(engine, workspace) == {}
    _append(api, workspace, BOB, DONE)
    assert _told(engine, workspace) == {"bob": 4}


def test_what_a_change_that_fails_would_have_told_is_told_by_the_next(
    engine: Engine, api: Engine, workspace: int
) -> None:
    _append(api, workspace, BOB, REFUSED, MOST_REFUSED + 1)
    _later(engine)
    with api.connect() as connection:
        append_audit(connection, workspace, ALICE, DONE)
        connection.rollback()
    assert _told(engine, workspace) == {}
    _append(api, workspace, ALICE, DONE)
    assert _told(engine, workspace) == {"bob": 1}


def test_a_change_waits_for_nobody_who_counts(engine: Engine, api: Engine, workspace: int) -> None:
    _append(api, workspace, BOB, REFUSED, MOST_REFUSED + 1)
    _later(engine)
    with api.begin() as busy:
        append_audit(busy, workspace, BOB, REFUSED)
        _append(api, workspace, ALICE, DONE)
    assert _told(engine, workspace) == {}
    _append(api, workspace, ALICE, DONE)
    assert _told(engine, workspace) == {"bob": 2}


def test_another_workspace_tells_nothing_of_it(engine: Engine, api: Engine, workspace: int) -> None:
    _append(api, workspace, BOB, REFUSED, MOST_REFUSED + 1)
    _later(engine)
    other = _new_workspace(engine)
    _append(speaking_for(api, other), other, ALICE, DONE)
    assert len(_entries(engine, other)) == 1
    assert _told(engine, workspace) == {}


def test_of_refusals_and_changes_at_once_each_is_kept_or_counted_and_told_once(
    engine: Engine, api: Engine, workspace: int
) -> None:
    _append(api, workspace, BOB, REFUSED, MOST_REFUSED + 1)
    _later(engine)
    with ThreadPoolExecutor(5) as pool:
        wait = [pool.submit(_append, api, workspace, ALICE, DONE, 10) for _ in range(2)]
        wait += [pool.submit(_append, api, workspace, BOB, REFUSED, 20) for _ in range(3)]
        for one in wait:
            one.result()
    _later(engine)
    _append(api, workspace, ALICE, DONE)
    entries = _entries(engine, workspace)
    left_out = [row["after"]["left_out"] for row in entries if row["after"] and row["code"]]
    assert sum(left_out) == 1 + 3 * 20
    assert sum(row["action"] == "pause_schedule" for row in entries) == 21
