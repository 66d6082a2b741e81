"""A tenant's trouble is its own: Cloud Tasks hears 200, and slows the queue of nobody."""

from collections.abc import Mapping
from datetime import timedelta

import psycopg2
import pytest
import requests

from infra.local.cloud_tasks.running import RunningCloudTasks
from shared.connectors.base import SyncResult, Watermark
from shared.errors import LeaseLostError, PermanentError, SynclineError, TransientError
from tests.faults.conftest import MakeWorld
from tests.faults.deployment import deployed, outlast_the_hour
from tests.faults.threaded_ledger import Troubles
from tests.faults.world import World

__all__ = ["outlast_the_hour"]  # a fixture
pytestmark = pytest.mark.timeout(300)

SOON = timedelta(milliseconds=300)


class SilentError(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


RETRIED: Mapping[str, Exception] = {
    "transient": TransientError("The source is away."),
    "throttled": TransientError("Too many requests.", code="rate_limited", retry_after=SOON),
    "throttled for no time": TransientError("Too many requests.", retry_after=timedelta(0)),
    "throttled until before": TransientError("Too many requests.", retry_after=-SOON),
    "neither transient nor permanent": SynclineError("Neither here nor there."),
    "a value": ValueError("secret"),
    "a key": KeyError("secret"),
    "too deep": RecursionError("secret"),
    "no memory": MemoryError("secret"),
    "time is up": TimeoutError("secret"),
    "no network": requests.ConnectionError("secret"),
    "a database": psycopg2.OperationalError("secret"),
    "several": ExceptionGroup("secret", [ValueError("secret"), OSError("secret")]),
    "not Unicode": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "secret"),
    "no more": StopIteration("secret"),
    "silent": SilentError(),
}
FINAL: Mapping[str, Exception] = {
    "permanent": PermanentError("The table is gone."),
    "not allowed": PermanentError("Sign in again.", code="authorization"),
    "wordy": PermanentError("word " * 100_000),
}
RESCUED: Mapping[str, Exception] = {"lease lost": LeaseLostError("another worker holds the run")}
ERRORS: Mapping[str, Exception] = {**RETRIED, **FINAL, **RESCUED}
NEXT: Mapping[str, str] = {
    **dict.fromkeys(RETRIED, "waits_for_retry"),
    **dict.fromkeys(FINAL, "failed"),
    **dict.fromkeys(RESCUED, "lease_expired"),
}
"""What follows the first start of a run whose connector raises so."""


def moved(*cursors: str, **facts: object) -> SyncResult:
    marks = [Watermark("record", "changed", {"type": "str", "value": each}) for each in cursors]
    return SyncResult(1, 1, 0, 0, tuple(marks), facts)


NOT_STORABLE: Mapping[str, Exception | SyncResult] = {
    "a NUL in an error": PermanentError("Column a\x00b is gone."),
    "half a character in an error": TransientError("Column \ud800 is gone."),
    "a code without end": PermanentError("No.", code="c" * 65),
    "a NUL in a cursor": moved("a\x00b"),
    "half a character in a cursor": moved("\ud800"),
    "a NUL in a fact": moved(fact="a\x00b"),
    "no number in a fact": moved(fact=float("nan")),
    "an object in a fact": moved(fact=object()),
    "more records than there are": SyncResult(2**63, 0, 0, 0, ()),
}


def test_whatever_a_connector_raises_cloud_tasks_hears_200(
    new_world: MakeWorld, cloud_tasks: RunningCloudTasks
) -> None:
    world = new_world(connectors=len(ERRORS) + 2, periods=1, records=12)
    by_connector = dict(zip(world.connectors, ERRORS.items(), strict=False))
    troubles = Troubles({connector: error for connector, (_, error) in by_connector.items()})
    with deployed(world, cloud_tasks, trouble=troubles) as deployment:
        deployment.tick()
        deployment.drain()

        stats = deployment.queues.stats()
        print(f"{dict(stats)}, {dict(deployment.worker.answers)}")
        assert stats["failed"] == 0
        assert stats["succeeded"] == stats["dispatched"] > len(world.connectors)
        found = {name: after_start(world, each) for each, (name, _) in by_connector.items()}
        assert found == NEXT
        untroubled = world.connectors[len(ERRORS) :]
        assert {after_start(world, each) for each in untroubled} == {"succeeded"}
        assert not world.rows(
            "SELECT error FROM workspace_connector_sync_log WHERE error LIKE '%%secret%%'"
        )
        deployment.end_well("connectors that raise anything")


def after_start(world: World, connector: object) -> str:
    """Return what happened next after a connector's first run had started first."""
    [(kind,), *_] = world.rows(
        "SELECT e.kind FROM sync_log_event AS e"
        " JOIN workspace_connector_sync_log AS r ON r.id = e.run_id"
        " JOIN workspace_connector AS c ON c.id = r.connector_id"
        " WHERE c.public_id = %s AND e.kind NOT IN ('planned', 'enqueued', 'started')"
        " ORDER BY e.id",
        str(connector),
    )
    return kind


def test_whatever_of_an_outcome_cannot_be_stored_cloud_tasks_hears_200(
    new_world: MakeWorld, cloud_tasks: RunningCloudTasks
) -> None:
    world = new_world(connectors=len(NOT_STORABLE), periods=1, records=12)
    troubles = Troubles(dict(zip(world.connectors, NOT_STORABLE.values(), strict=True)))
    with deployed(world, cloud_tasks, trouble=troubles) as deployment:
        deployment.tick()
        deployment.queues.settle()

        assert set(deployment.worker.answers) == {"200 OK"}
        deployment.drain()
        deployment.end_well("results that cannot be stored")
