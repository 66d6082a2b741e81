"""Every operation that changes something leaves an entry in the audit log, done or refused."""

from collections.abc import Mapping

import pytest
from sqlalchemy import text

from shared.domain.audit import ActorKind, Outcome
from shared.store.audit import verify_audit
from shared.store.rows import Row
from shared.web.operations import ANYONE
from tests.isolation.cases import CANARY, CASES, Case, filled
from tests.isolation.people import PROBE
from tests.isolation.world import World

CHANGES_NOTHING: Mapping[str, str] = {
    "check_connector": "a look at a source; what it finds is Syncline's own knowledge",
    "preview_timing": "computes; nothing is stored",
    "receive_hook": "a source, which is neither person nor key; its run has a timeline",
}
"""Operations that are no GET and leave no entry, and why."""
NAMED_OTHERWISE: Mapping[str, str] = {
    "replace_schedule": "change_schedule",
    "act_on_schedules": "{action}_schedule",
}
"""Actions of entries of what was done, where they are not the operation's id."""
FIRST: Mapping[str, tuple[str, str]] = {
    "resume_schedule": ("POST", "sync-schedules/{schedule}/pause"),
    "act_on_schedules resume": ("POST", "sync-schedules/{schedule}/pause"),
    "end_dataset_reader": ("POST", "dataset-reader"),
}
"""What has to be done before, so that an operation has something to change."""


@pytest.fixture(autouse=True)
def _room_for_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("MOST_REFUSED", "MOST_REFUSED_OF_ALL"):
        monkeypatch.setattr(f"shared.store.audit.{bound}", 10_000)


def _changing(world: World) -> set[str]:
    return {name for name, one in world.operations.items() if one.changes is not None}


def _entries(world: World, after: int) -> list[Row]:
    query = text("SELECT * FROM audit_log WHERE workspace_id = :w AND seq > :after ORDER BY seq")
    with world.engine.connect() as connection:
        parameters = {"w": world.alice_id, "after": after}
        return list(connection.execute(query, parameters).mappings())


def _end(world: World) -> int:
    query = text("SELECT coalesce(max(seq), 0) FROM audit_log WHERE workspace_id = :w")
    with world.engine.connect() as connection:
        return connection.execute(query, {"w": world.alice_id}).scalar_one()


def _action(case: Case) -> str:
    named = NAMED_OTHERWISE.get(case.operation, case.operation)
    return named.format(action=(case.body or {}).get("action"))


def _name(case: Case) -> str:
    action = (case.body or {}).get("action")
    return f"{case.operation} {action}" if action else case.operation


OF_CHANGES = pytest.mark.parametrize("case", CASES, ids=str)


def test_every_operation_but_reads_and_named_exceptions_is_audited(world: World) -> None:
    others = {one.id for one in world.operations.values() if one.method != "GET"}
    assert others - _changing(world) == set(CHANGES_NOTHING)


@OF_CHANGES
def test_what_alice_changes_is_in_the_log(world: World, case: Case) -> None:
    operation = world.operations[case.operation]
    if operation.changes is None or case.query.keys() or "filter" in (case.body or {}):
        return
    ids = world.new(case)
    if (first := FIRST.get(_name(case))) is not None:
        path = f"/api/v2/{first[1].format(**ids)}"
        assert world.alice.call(first[0], path).status_code < 300
    before = _end(world)

    told = world.alice.tries(operation, case, ids)

    assert told.status == operation.answers.status, told.text
    entries = [one for one in _entries(world, before) if one["action"] == _action(case)]
    assert len(entries) == 1
    [entry] = entries
    assert entry["outcome"] == Outcome.DONE
    assert entry["request_id"] == PROBE
    assert (entry["actor_kind"], entry["actor_name"]) == (ActorKind.API_KEY, CANARY)
    assert entry["actor_id"] is not None
    assert entry["before"] is not None or entry["after"] is not None
    assert entry["object_kind"] in (operation.changes, "run")


@OF_CHANGES
def test_what_bob_is_refused_is_in_the_log(world: World, case: Case) -> None:
    operation = world.operations[case.operation]
    if operation.changes is None:
        return
    ids, before = world.kept(case), _end(world)

    told = world.bob.tries(operation, case, ids)

    assert told.status == 403
    [entry] = _entries(world, before)
    assert (entry["action"], entry["object_kind"]) == (operation.id, operation.changes)
    assert (entry["outcome"], entry["code"]) == (Outcome.REFUSED, "forbidden")
    assert (entry["actor_name"], entry["request_id"]) == ("bob", PROBE)
    named = [one for one in ids.values() if one in operation_path(operation.path, ids)]
    assert entry["object_id"] is None or str(entry["object_id"]) in named


@OF_CHANGES
def test_who_only_reads_or_is_nobody_leaves_no_entry(world: World, case: Case) -> None:
    operation = world.operations[case.operation]
    ids, before = world.kept(case), _end(world)
    world.nobody.tries(operation, case, ids)
    if operation.changes is None and operation.access != ANYONE:
        world.alice.tries(operation, case, ids)
    assert _entries(world, before) == []


def test_the_chain_of_all_that_holds(world: World) -> None:
    body = filled({"name": "{new}"}, {"new": "renamed"})
    world.alice.make("workspace", body, "PATCH")
    with world.engine.connect() as connection:
        verdict = verify_audit(connection, world.alice_id)
    assert verdict.broken_at is None
    assert verdict.entries > 0


def operation_path(path: str, ids: Mapping[str, str]) -> set[str]:
    """Return the ids that a path names."""
    return {one for name, one in ids.items() if f":{name}>" in path}
