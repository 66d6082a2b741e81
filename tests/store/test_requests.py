from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from shared.store.engine import single_statements
from shared.store.requests import (
    RequestKey,
    claim_request,
    find_request,
    forget_request,
    prune_requests,
    spend_triggers,
    store_answer,
    unlock_request,
)
from tests.factories import Tenant, at, make_tenant

NOON = at("12:00")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return make_tenant(engine)


def key_of(tenant: Tenant, name: str = "k", asked: bytes = b"a") -> RequestKey:
    return RequestKey(tenant.workspace_id, "create_connector", name.encode(), asked)


def limit_triggers(engine: Engine, tenant: Tenant, per_minute: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE workspace SET manual_triggers_per_minute = :n WHERE id = :id"),
            {"n": per_minute, "id": tenant.workspace_id},
        )


def test_a_request_is_taken_on_once(engine: Engine, tenant: Tenant) -> None:
    with single_statements(engine) as connection:
        claim = claim_request(connection, key_of(tenant), now=NOON)
        assert claim is not None
        assert claim_request(connection, key_of(tenant), now=NOON + MINUTE) is None


def test_one_that_broke_off_is_taken_over_with_what_it_was_to_make(
    engine: Engine, tenant: Tenant
) -> None:
    with single_statements(engine) as connection:
        first = claim_request(connection, key_of(tenant), now=NOON)
        later = claim_request(connection, key_of(tenant), now=NOON + 3 * MINUTE)
        assert first is not None
        assert later is not None
        assert (later.resource_id, later.claims) == (first.resource_id, 2)
        # The one that was thought gone comes back: its answer is not the request's any more.
        store_answer(connection, first, status=201, headers={}, body="late")
        found = find_request(connection, key_of(tenant))
    assert found is not None
    assert found["status"] is None


def test_one_that_asks_something_else_takes_over_nothing(engine: Engine, tenant: Tenant) -> None:
    with single_statements(engine) as connection:
        claim_request(connection, key_of(tenant), now=NOON)
        other = key_of(tenant, asked=b"b")
        assert claim_request(connection, other, now=NOON + 3 * MINUTE) is None


def test_an_answer_is_kept_for_a_day_and_then_forgotten_in_bounded_passes(
    engine: Engine, tenant: Tenant
) -> None:
    with single_statements(engine) as connection:
        for number in range(5):
            claim = claim_request(connection, key_of(tenant, f"k{number}"), now=NOON)
            assert claim is not None
            store_answer(connection, claim, status=201, headers={}, body="{}")
        day = NOON + timedelta(hours=24)
        assert prune_requests(connection, now=day - timedelta(seconds=1), page=10) == 0
        assert [prune_requests(connection, now=day, page=2) for _ in range(4)] == [2, 2, 1, 0]


def test_one_that_was_refused_leaves_nothing_and_one_that_broke_off_is_free_at_once(
    engine: Engine, tenant: Tenant
) -> None:
    with single_statements(engine) as connection:
        refused = claim_request(connection, key_of(tenant, "refused"))
        broken = claim_request(connection, key_of(tenant, "broken"))
        assert refused is not None
        assert broken is not None
        forget_request(connection, refused)
        unlock_request(connection, broken)
        assert find_request(connection, key_of(tenant, "refused")) is None
        again = claim_request(connection, key_of(tenant, "broken"))
    assert again is not None
    assert again.resource_id == broken.resource_id


def test_triggers_above_the_rate_wait_and_come_back_evenly(engine: Engine, tenant: Tenant) -> None:
    limit_triggers(engine, tenant, 6)
    with single_statements(engine) as connection:

        def spend(seconds: int) -> timedelta | None:
            now = NOON + timedelta(seconds=seconds)
            return spend_triggers(connection, tenant.workspace_id, now=now)

        assert [spend(0) for _ in range(6)] == [None] * 6
        assert spend(0) == timedelta(seconds=10)
        assert spend(4) == timedelta(seconds=6)
        assert spend(10) is None
        assert spend(10) == timedelta(seconds=10)
        # A bucket that was left alone is full, and no fuller.
        assert [spend(1000) for _ in range(7)].count(None) == 6


def test_many_triggers_are_spent_together_or_not_at_all(engine: Engine, tenant: Tenant) -> None:
    limit_triggers(engine, tenant, 6)
    with single_statements(engine) as connection:
        workspace = tenant.workspace_id
        assert spend_triggers(connection, workspace, 4, now=NOON) is None
        assert spend_triggers(connection, workspace, 3, now=NOON) == timedelta(seconds=10)
        assert spend_triggers(connection, workspace, 2, now=NOON) is None
        assert spend_triggers(connection, workspace, 7, now=NOON + MINUTE) is not None


def test_a_workspace_spends_nothing_of_anothers(engine: Engine, tenant: Tenant) -> None:
    other = make_tenant(engine)
    limit_triggers(engine, tenant, 1)
    with single_statements(engine) as connection:
        spend_triggers(connection, tenant.workspace_id, now=NOON)
        assert spend_triggers(connection, tenant.workspace_id, now=NOON) is not None
        assert spend_triggers(connection, other.workspace_id, now=NOON) is None


def test_instances_that_spend_at_once_spend_no_more_than_there_is(
    engine: Engine, tenant: Tenant
) -> None:
    limit_triggers(engine, tenant, 10)

    def spend(_: int) -> timedelta | None:
        with single_statements(engine) as connection:
            return spend_triggers(connection, tenant.workspace_id, now=NOON)

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(spend, range(30))).count(None) == 10
