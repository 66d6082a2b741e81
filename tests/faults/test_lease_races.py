"""A run changes while a worker is taking its lease: the lease goes by what the run is then."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from time import monotonic, sleep

import psycopg2
import pytest

from shared.flow.attempt import AttemptResult
from tests.faults.conftest import MakeWorld
from tests.faults.hands import LEASE, Hands, hands_on, hurry
from tests.faults.invariants import broken_now
from tests.faults.world import World

PATIENCE_SECONDS = 20.0
NAP_SECONDS = 0.01
TAKE_BACK = """
UPDATE workspace_connector_sync_log
SET task_generation = task_generation + 1, admitted_at = NULL, enqueued_at = NULL
"""
"""What a dispatcher does that takes the task of a run for lost."""
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def hands(new_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> Generator[Hands]:
    hurry(monkeypatch)
    with hands_on(new_world(workspaces=1, connectors=1, periods=1)) as hands:
        yield hands


@contextmanager
def taking_back(world: World) -> Generator[None]:
    """Take the runs of a world back, and commit once somebody waits for them."""
    with closing(psycopg2.connect(world.dataset_url)) as connection:
        connection.cursor().execute(TAKE_BACK)
        yield
        until = monotonic() + PATIENCE_SECONDS
        while world.rows(WAITING) == [(0,)]:
            assert monotonic() < until, "nobody wants the run"
            sleep(NAP_SECONDS)
        connection.commit()


def test_a_task_that_is_replaced_while_it_takes_the_lease_starts_nothing(hands: Hands) -> None:
    hands.tick()
    [task] = hands.queue.take(1)
    with ThreadPoolExecutor(1) as pool:
        with taking_back(hands.world):
            answer = pool.submit(hands.work, task.body)

        assert answer.result() != AttemptResult.RECORDED
    assert broken_now(hands.world, LEASE) == []
    assert hands.world.rows("SELECT status, fence FROM workspace_connector_sync_log") == [
        ("scheduled", 0)
    ]
