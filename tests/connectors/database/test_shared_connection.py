"""The streams of a slice share one connection to their source and one turn at their dataset."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from infra.local.postgres import PostgresServer
from shared.errors import PermanentError
from tests.connectors.databases import DATASET, Postgres, Shop, tables

_MOST_OF_SOURCE = 9
_MOST_OF_DATASET = 9
"""Statements for a stream with one row, those that begin and end transactions included."""
_STATEMENT = re.compile(r"\[(\d+)\] LOG:  statement: (.*)")


@dataclass(frozen=True, slots=True)
class Wire:
    """What a database was sent: how many statements, on how many connections."""

    statements: int
    connections: int


Listen = Callable[[Postgres, Callable[[], object]], Wire]


@pytest.fixture
def listen(postgres_server: PostgresServer) -> Listen:
    """Return a way to learn what a database is sent while something is done."""
    log = postgres_server.data_dir / "server.log"

    def listened(database: Postgres, act: Callable[[], object]) -> Wire:
        name = database.dsn.rpartition("/")[2]
        database.execute(f"ALTER DATABASE {name} SET log_statement = 'all'")
        start = log.stat().st_size
        try:
            act()
        finally:
            database.execute(f"ALTER DATABASE {name} RESET log_statement")
        said = log.read_bytes()[start:].decode(errors="replace")
        by_process = Counter(process for process, _text in _STATEMENT.findall(said))
        for process, text in _STATEMENT.findall(said):
            if text.startswith("ALTER DATABASE"):
                del by_process[process]
        return Wire(by_process.total(), len(by_process))

    return listened


def _shop(source: Postgres, dataset: Postgres, streams: int) -> Shop:
    """Return a connector that has synced so many tables of a row each."""
    names = [f"t{number}" for number in range(streams)]
    for name in names:
        source.execute(
            f"CREATE TABLE IF NOT EXISTS {name} (id int PRIMARY KEY, v text)",
            f"INSERT INTO {name} VALUES (1, 'a') ON CONFLICT DO NOTHING",
        )
    wanted = [{"table": name, "primary_key": ["id"], "cursor": "id"} for name in names]
    shop = Shop({"url": source.url, "streams": wanted}, dataset)
    shop.sync()
    return shop


@pytest.mark.parametrize("side", ["source", "dataset"])
def test_another_stream_costs_a_few_statements_and_no_connection(
    source: Postgres, dataset: Postgres, listen: Listen, side: str
) -> None:
    database, most = {
        "source": (source, _MOST_OF_SOURCE),
        "dataset": (dataset, _MOST_OF_DATASET),
    }[side]
    few, many = _shop(source, dataset, 2), _shop(source, dataset, 6)
    of_two, of_six = listen(database, few.sync), listen(database, many.sync)
    assert (of_two.connections, of_six.connections) == (1, 1)
    assert (of_six.statements - of_two.statements) / 4 <= most


def test_a_stream_without_a_row_costs_the_dataset_nothing(
    source: Postgres, dataset: Postgres, listen: Listen
) -> None:
    source.execute("CREATE TABLE none (id int PRIMARY KEY, v text)")
    wanted = [{"table": "none", "primary_key": ["id"], "cursor": "id"}]
    shop = Shop({"url": source.url, "streams": wanted}, dataset)
    assert listen(dataset, shop.sync) == Wire(0, 0)


@pytest.mark.parametrize(
    ("broken", "connections"),
    [
        ("ALTER TABLE t1 RENAME TO gone", 2),
        (
            "ALTER TABLE t1 RENAME v TO w; ALTER TABLE t1 ADD v int GENERATED ALWAYS AS (1) STORED",
            1,
        ),
        ("DROP TABLE t1; CREATE VIEW t1 AS SELECT 1 / 0 AS id, 1 AS v", 2),
    ],
)
def test_a_stream_in_trouble_leaves_nothing_behind_for_the_next(
    source: Postgres, dataset: Postgres, listen: Listen, broken: str, connections: int
) -> None:
    shop = _shop(source, dataset, 3)
    source.execute(broken, "INSERT INTO t2 VALUES (2, 'b')")
    assert listen(source, shop.sync).connections == connections
    assert shop.loaded("id, v", "t2") == [(1, "a"), (2, "b")]


def test_a_load_that_fails_leaves_the_turn_to_the_next_stream(
    source: Postgres, dataset: Postgres, listen: Listen
) -> None:
    shop = _shop(source, dataset, 3)
    dataset.execute(f"ALTER TABLE {DATASET}.t1 ADD CHECK (id < 2)")
    source.execute("INSERT INTO t1 VALUES (2, 'b')", "INSERT INTO t2 VALUES (2, 'b')")
    results = []
    wire = listen(dataset, lambda: results.append(shop.sync()))
    (failure,) = results[0].failures
    assert (failure.stream, wire.connections) == ("t1", 1)
    assert shop.loaded("id, v", "t2") == [(1, "a"), (2, "b")]


def test_connections_are_ended_with_the_slice(source: Postgres, dataset: Postgres) -> None:
    of_syncs = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'syncline'"
        " AND datname IN ('connector_source', 'connector_dataset')"
    )
    shop = _shop(source, dataset, 2)
    source.execute("DROP TABLE t0, t1")
    with pytest.raises(PermanentError):
        shop.sync()
    assert source.rows(of_syncs) == []


def test_rows_that_a_policy_hides_are_an_error_that_says_what_to_do(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY)",
        "INSERT INTO orders VALUES (1), (2)",
        "CREATE ROLE guarded LOGIN",
        "GRANT SELECT ON orders TO guarded",
    )
    try:
        shop = Shop(tables(source.url.replace("postgres@", "guarded@"), "orders"), dataset)
        shop.sync()
        source.execute(
            "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY few ON orders USING (id > 1)",
        )
        with pytest.raises(PermanentError, match="BYPASSRLS") as refused:
            shop.sync()
        assert (refused.value.code, refused.value.fault) == ("authorization", "permission")
        assert shop.loaded("id, 1") == [(1, 1), (2, 1)]
        source.execute("ALTER ROLE guarded BYPASSRLS")
        assert shop.sync().records_processed == 2
    finally:
        source.execute("DROP OWNED BY guarded", "DROP ROLE guarded")
