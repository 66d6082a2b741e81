import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from shared.flow.attempt import attempt_run
from tests.factories import at
from tests.flow.queues import PausedQueue
from tests.flow.workers import Script, call_of, due_run, make_workshop


def test_the_database_of_these_tests_refuses_what_the_table_of_transitions_does_not_have(
    engine: Engine, paused: PausedQueue, script: Script
) -> None:
    _, run = due_run(engine, paused)
    attempt_run(make_workshop(engine, paused), call_of(run), now=at("02:00"))
    assert script.requests
    back = text(
        "UPDATE workspace_connector_sync_log"
        " SET status = 'scheduled', completed_at = NULL, duration_ms = NULL"
    )
    with pytest.raises(DBAPIError, match="from success to scheduled"), engine.begin() as connection:
        connection.execute(back)
