"""What the api asks of the database for a large workspace reads what it shows, and few blocks."""

from collections.abc import Callable
from itertools import islice
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from shared.domain.instants import parse_instant
from shared.domain.run import RunStatus, TriggerType
from shared.domain.run_filter import RunFilter
from shared.domain.upcoming import Place
from shared.store.connectors import list_connectors
from shared.store.run_pages import RunScope, list_runs
from shared.store.schedules import find_schedule, list_schedules
from shared.store.sql import load_sql
from shared.store.upcoming import has_more_than, list_by_next_period, walk_by_next_period
from tests.store.crowd import Crowd, blocks_of, plans_of, rows_of

LONG_AGO = "2020-01-01T00:00Z"
MERGED = 200
PAGE = 51
MOST_BLOCKS = 2_000
MOST_ROWS = 1_000
DEEP = 15_000

PARAMETERS = {
    "take_hook": {
        "endpoint_id": 1,
        "message_hash": b"hash",
        "per_minute": 60,
        "remembered": "1 hour",
        "look_after": "1 min",
        "now": None,
    },
    "workspace_health": {
        "now": LONG_AGO,
        "most": 10_001,
        "recent": "1 hour",
        "patience": "2 min",
        "task_patience": "5 min",
    },
    "waiting_runs": {"until": LONG_AGO, "page": 101},
    "triggers_left": {},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_statement_uses_its_indexes(crowd: Crowd, name: str) -> None:
    parameters = {"workspace_id": crowd.large, **PARAMETERS[name]}
    wanted = load_sql(name)._bindparams

    def ask(connection: Connection) -> None:
        connection.execute(
            load_sql(name), {key: parameters[key] for key in parameters if key in wanted}
        )

    [plan] = plans_of(crowd.api, ask)
    _require_few_blocks(plan)


Ask = Callable[[Connection, int], object]
LISTS: dict[str, Ask] = {
    "schedules": lambda c, w: list_schedules(c, w, after_id=0, limit=PAGE),
    "schedules, deep": lambda c, w: list_schedules(c, w, after_id=DEEP, limit=PAGE),
    "a schedule": lambda c, w: find_schedule(c, w, UUID(int=1)),
    "connectors": lambda c, w: list_connectors(c, w, after_id=0, limit=PAGE),
    "connectors, deep": lambda c, w: list_connectors(c, w, after_id=DEEP, limit=PAGE),
    "runs": lambda c, w: list_runs(c, RunScope(w, RunFilter()), after=None, limit=PAGE),
    **{
        f"runs, {status}": lambda c, w, status=status: list_runs(
            c, RunScope(w, RunFilter(status=status)), after=None, limit=PAGE
        )
        for status in RunStatus
        if status is not RunStatus.SUCCESS
    },
    "runs, failed of the schedule": lambda c, w: list_runs(
        c,
        RunScope(w, RunFilter(status=RunStatus.ERROR, trigger=TriggerType.CLOUD_TASK)),
        after=None,
        limit=PAGE,
    ),
    "runs of a connector": lambda c, w: list_runs(
        c, RunScope(w, RunFilter(), connector_id=DEEP), after=None, limit=PAGE
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_page_of_a_large_workspace_among_small_ones_reads_what_it_shows(
    crowd: Crowd, name: str
) -> None:
    plans = plans_of(crowd.api, lambda connection: LISTS[name](connection, crowd.large))
    assert plans
    for plan in plans:
        _require_few_blocks(plan)
        assert rows_of(plan) <= MOST_ROWS, plan


@pytest.mark.parametrize("is_deep", [False, True])
def test_a_page_of_what_comes_reads_its_own_schedules_only(crowd: Crowd, is_deep: bool) -> None:
    until = parse_instant("2999-01-01T00:00Z")
    with crowd.api.connect() as connection:
        query = text("SELECT next_scheduled_at, id FROM sync_schedule WHERE id = :id")
        row = connection.execute(query, {"id": DEEP}).one()
    after = Place(row.next_scheduled_at, row.id) if is_deep else None

    def ask(connection: Connection) -> None:
        list_by_next_period(connection, crowd.large, until=until, after=after, limit=PAGE)
        has_more_than(connection, crowd.large, until=until, count=MERGED)
        walk = {"until": until, "through": after, "most": MERGED, "page": PAGE}
        list(islice(walk_by_next_period(connection, crowd.large, **walk), MERGED))

    for plan in plans_of(crowd.api, ask):
        _require_few_blocks(plan)
        assert rows_of(plan) <= MOST_ROWS, plan


def _require_few_blocks(plan: str) -> None:
    scans = [line for line in plan.splitlines() if "Seq Scan on" in line]
    large = [line for line in scans if "workspace_connector" in line or "sync_schedule" in line]
    assert large == [], plan
    assert blocks_of(plan) <= MOST_BLOCKS, plan
