"""What messages, health and the coming hours ask of the database reads no table as a whole."""

import re

import pytest
from sqlalchemy import Engine, event, text

from shared.domain.instants import parse_instant
from shared.domain.upcoming import Place
from shared.store.upcoming import has_more_than, list_by_next_period
from tests.store import test_plans
from tests.store.test_plans import scans

full = test_plans.full
LONG_AGO = "2020-01-01T00:00Z"
MERGED = 500

PARAMETERS = {
    "take_hook": {
        "endpoint_id": 1,
        "message_hash": b"hash",
        "per_minute": 60,
        "remembered": "1 hour",
        "now": None,
    },
    "workspace_health": {
        "workspace_id": 1,
        "now": LONG_AGO,
        "most": 10_001,
        "recent": "1 hour",
        "patience": "2 min",
        "task_patience": "5 min",
    },
    "waiting_runs": {"workspace_id": 1, "until": LONG_AGO, "page": 101},
    "triggers_left": {"workspace_id": 1},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_statement_uses_its_indexes(full: Engine, name: str) -> None:
    with full.connect() as connection:
        assert scans(connection, name, PARAMETERS[name]) == []
        connection.rollback()


@pytest.mark.parametrize("is_deep", [False, True])
def test_a_page_of_what_comes_reads_its_own_schedules_only(full: Engine, is_deep: bool) -> None:
    asked: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, sql: str, parameters: object, *_: object) -> None:
        asked.append((sql, parameters))

    event.listen(full, "before_cursor_execute", note)
    with full.connect() as connection:
        until = parse_instant("2999-01-01T00:00Z")
        query = text("SELECT next_scheduled_at, id FROM sync_schedule WHERE id = 15000")
        row = connection.execute(query).one()
        asked.clear()
        after = Place(row.next_scheduled_at, row.id) if is_deep else None
        list_by_next_period(connection, 1, until=until, after=after, limit=51)
        has_more_than(connection, 1, until=until, count=MERGED)
        event.remove(full, "before_cursor_execute", note)
        for sql, parameters in asked:
            explain = f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {sql}"
            plan = "\n".join(connection.exec_driver_sql(explain, parameters).scalars())
            assert "Seq Scan" not in plan, plan
            read = re.findall(r"(?:rows=|Rows Removed by Filter: )([0-9]+)", plan)
            assert max(map(int, read)) <= MERGED + 1, plan
