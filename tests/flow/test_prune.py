"""A tick forgets what nobody can ask for any more, with the rights of syncline_system."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from shared.clock import utc_now
from shared.flow import prune as prune_flow
from shared.flow.prune import prune
from tests.store.tenants import fill_workspace

PRUNED = ("oauth_state", "repeatable_request", "webhook_delivery")


def left(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        queries = [text(f"SELECT count(*) FROM {table}") for table in PRUNED]
        return [connection.execute(query).scalar_one() for query in queries]


def test_what_is_over_goes_in_every_workspace_and_the_rest_stays(
    engine: Engine, worker_engine: Engine
) -> None:
    for _ in range(2):
        fill_workspace(engine)  # with a row of each kind that ends now
    now = utc_now()
    assert prune(worker_engine, now - timedelta(hours=1), lambda: True) == 0
    assert left(engine) == [2, 2, 2]
    assert prune(worker_engine, now + timedelta(hours=1), lambda: True) == 6
    assert left(engine) == [0, 0, 0]


def test_further_pages_go_while_there_is_time(
    engine: Engine, worker_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_flow, "_PAGE", 2)
    for _ in range(5):
        fill_workspace(engine)
    later = utc_now() + timedelta(hours=1)

    assert prune(worker_engine, later, lambda: False) == 6
    assert left(engine) == [3, 3, 3]
    assert prune(worker_engine, later, lambda: True) == 9
    assert left(engine) == [0, 0, 0]
