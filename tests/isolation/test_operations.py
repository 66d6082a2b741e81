"""Alice, Bob, Mallory and nobody, at every operation of the API."""

import json
from collections.abc import Collection
from dataclasses import replace
from uuid import uuid4

import pytest

from shared.domain.access import Role
from shared.domain.bulk import BulkAction
from shared.web.operations import VERIFIED
from tests.isolation.cases import CASES, FIGURES, Case, filled
from tests.isolation.people import Told, names_in
from tests.isolation.things import unknown
from tests.isolation.world import OF_CALLS, World

NEEDS_MORE = {"read_metrics": 401, "receive_hook": 401}
"""Open operations that know their callers by other means than a key, which nobody here has."""
of_every_operation = pytest.mark.parametrize("case", CASES, ids=str)


def test_every_operation_that_is_served_has_its_case(world: World) -> None:
    document = world.nobody.call("GET", "/api/v2/openapi.json").json
    served = {one["operationId"] for path in document["paths"].values() for one in path.values()}
    assert served == set(world.operations)
    assert {case.operation for case in CASES} == served, "tests/isolation/cases.py lacks a line"


@of_every_operation
def test_alice_is_served(world: World, case: Case) -> None:
    operation, ids = world.operations[case.operation], world.new(case)
    told = world.alice.tries(operation, case, ids)
    assert told.status == NEEDS_MORE.get(operation.id, operation.answers.status), told.text


@of_every_operation
def test_bob_reads_and_changes_nothing(world: World, case: Case) -> None:
    operation, ids = world.operations[case.operation], world.kept(case)
    before = world.stored(without=OF_CALLS)

    told = world.bob.tries(operation, case, ids)

    if world.is_open(case) or operation.access in (VERIFIED, Role.VIEWER):
        expected = NEEDS_MORE.get(operation.id, operation.answers.status)
    else:
        expected = 403
    assert told.status == expected, told.text
    assert world.stored(without=OF_CALLS) == before


@of_every_operation
def test_nobody_is_let_in_and_learns_nothing(world: World, case: Case) -> None:
    operation, ids = world.operations[case.operation], world.kept(case)
    before, others = world.stored(), unknown(ids)

    told = world.nobody.tries(operation, case, ids)

    if not world.is_open(case):
        assert told.status == 401
    if world.names_hers(case):
        assert told == world.nobody.tries(operation, case, others).about(others, ids)
    assert_tells_nothing(told, before, given={*ids.values(), *world.asked_in_vain()})
    assert world.stored() == before


@of_every_operation
def test_mallory_finds_of_alices_what_she_finds_of_what_does_not_exist(
    world: World, case: Case
) -> None:
    operation, ids = world.operations[case.operation], world.kept(case)
    before, others = world.stored(), unknown(ids)

    told = world.mallory.tries(operation, case, ids)

    if world.names_hers(case):
        if not world.is_open(case):
            assert told.status == case.stranger, told.text
        assert told == world.mallory.tries(operation, case, others).about(others, ids)
    else:
        assert told.status == NEEDS_MORE.get(operation.id, operation.answers.status), told.text
    assert_tells_nothing(told, before, given={*ids.values(), *world.asked_in_vain()})
    assert world.stored() == before


@of_every_operation
def test_alices_idempotency_key_and_tag_are_of_no_use_to_mallory(world: World, case: Case) -> None:
    operation, ids = world.operations[case.operation], world.new(case)
    if not (operation.takes.key or operation.takes.premise):
        return
    others, key = unknown(ids), {"Idempotency_Key": str(uuid4())} if operation.takes.key else {}
    hers = world.alice.tries(operation, case, ids, **key)
    assert hers.status == operation.answers.status, hers.text
    before, tag = world.stored(), dict(hers.headers).get("ETag", '"1.0"')
    tags = [{"If_Match": tag}, {"If_Match": "*"}] if operation.takes.premise else []

    for used in filter(None, [key, *tags]):
        told = world.mallory.tries(operation, case, ids, **used)

        assert "Idempotency-Replayed" not in dict(told.headers)
        if world.names_hers(case):
            unused = {"Idempotency_Key": str(uuid4()), "If_Match": '"0.0"'}
            header = {name: unused[name] for name in used}
            assert told.status == case.stranger, told.text
            assert told == world.mallory.tries(operation, case, others, **header).about(others, ids)
        assert_tells_nothing(told, before, given={*ids.values(), *world.asked_in_vain()})
    assert world.stored() == before


def test_a_connector_of_mallorys_is_not_pointed_to_the_dataset_of_alices(world: World) -> None:
    case = Case("change_connector", {"config": FIGURES})
    mine, hers, nobodys = world.hers.make("reporter"), world.house.make("connector"), str(uuid4())

    def point_to(connector: str) -> Told:
        body = filled(case.body, {"connector": connector})
        path = f"/api/v2/connectors/{mine['connector']}"
        return Told.of(world.mallory.call("PATCH", path, body))

    told = point_to(hers["connector"])
    assert told.status == 422
    assert told == point_to(nobodys)


def test_bulk_changes_mallorys_own_and_refuses_alices_beside_them(world: World) -> None:
    hers, mine, nobodys = world.house.make("schedule"), world.hers.make("schedule"), str(uuid4())
    before = world.stored()
    for action in BulkAction:
        body = {"action": action, "ids": [hers["schedule"], mine["schedule"], nobodys]}
        items = world.mallory.make("sync-schedules/bulk", body)["items"]
        assert [one["result"] for one in items] == ["refused", "done", "refused"]
        assert items[0] | {"schedule_id": nobodys} == items[2]
    assert world.stored() == before


PAGED = {
    "list_api_keys",
    "list_audit_log",
    "list_connectors",
    "list_due_connectors",
    "list_history",
    "list_members",
    "list_reports",
    "list_runs",
    "list_schedules",
    "list_upcoming",
    "list_webhook_endpoints",
}


def test_every_list_with_pages_is_tried(world: World) -> None:
    queries = {name: one.takes.query for name, one in world.operations.items()}
    paged = {name for name, query in queries.items() if query and "cursor" in query.model_fields}
    assert paged == PAGED


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.operation in PAGED and not case.of], ids=str
)
def test_alices_cursors_are_none_of_mallorys(world: World, case: Case) -> None:
    operation = world.operations[case.operation]
    if world.names_hers(case):
        return  # of hers she finds nothing, whatever the cursor
    first = world.alice.tries(operation, replace(case, query={**case.query, "limit": "1"}), {})
    cursor = json.loads(first.body)["next_cursor"]
    assert cursor is not None

    query = {**case.query, "cursor": cursor}
    told = world.mallory.tries(operation, replace(case, query=query), {})

    assert told.status == 422, told.text
    assert "cursor_form" in told.text
    assert_tells_nothing(told, world.stored(), given={cursor, *world.asked_in_vain()})


def assert_tells_nothing(told: Told, stored: str, *, given: Collection[str]) -> None:
    """Fail if an answer holds anything of what is stored that the caller did not say itself."""
    said = {*given, *(one.replace("-", "") for one in given)}
    assert [one for one in names_in(stored) - said if one in told.text] == []
