"""Rows a second of a first database sync: ours against a bare dlt pipeline, in one run.

Run as `python -m tests.benchmarks.database_sync --rows N`; the exit status tells whether the ratio
holds. Both read the same table, in pages of the same size, and merge it by primary key into an
empty dataset. Rounds take turns, and the best of each side counts.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dlt
from dlt.sources.sql_database import sql_table

from infra.local.postgres import THROW_AWAY, PostgresServer, start_postgres
from shared.connectors.sandbox import PAGE_ROWS, shut_in
from tests.connectors.databases import Postgres, Shop, counts, orders

TARGET = 0.85

_TABLE = (
    "CREATE TABLE orders AS SELECT n AS id, md5(n::text) AS name, 'NO' AS country,"
    " n % 97 AS quantity, (n * 1.25)::numeric(12,2) AS price, n % 2 = 0 AS paid,"
    " '2024-01-01Z'::timestamptz + n * '1 minute'::interval AS changed,"
    " '2024-01-01'::date + n % 365 AS day FROM generate_series(1, {rows}) n"
)


def _ours(source: Postgres, dataset: Postgres, rows: int) -> None:
    result = Shop(orders(source.url), dataset).sync()
    assert counts(result) == (rows, rows, 0)


def _bare(source: Postgres, dataset: Postgres, rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bare",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(dataset.dsn.replace("@", ":@")),
            dataset_name="bare",
        )
        table = sql_table(
            source.url.replace("postgresql:", "postgresql+psycopg2:"),
            table="orders",
            chunk_size=PAGE_ROWS,
            incremental=dlt.sources.incremental("changed"),
            primary_key=["id"],
            write_disposition={"disposition": "merge", "strategy": "upsert"},
        )
        pipeline.run(table)
        pipeline.deactivate()
    assert dataset.rows("SELECT count(*) FROM bare.orders") == [(rows,)]


def _seconds(
    side: Callable[[Postgres, Postgres, int], None], server: PostgresServer, rows: int
) -> float:
    server.create_database("dataset")
    started = time.perf_counter()
    side(_database(server, "source"), _database(server, "dataset"), rows)
    elapsed = time.perf_counter() - started
    server.drop_database("dataset")
    return elapsed


def _database(server: PostgresServer, name: str) -> Postgres:
    url = server.libpq_url(name)
    return Postgres(url, url)


def main() -> int:
    """Print both rates and their ratio; return 0 if it is at least `TARGET`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    shut_in()
    with (
        tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder,
        start_postgres(Path(folder) / "data", settings=THROW_AWAY) as server,
    ):
        server.create_database("source")
        _database(server, "source").execute(_TABLE.format(rows=given.rows))
        ours = bare = float("inf")
        for _round in range(given.rounds):
            ours = min(ours, _seconds(_ours, server, given.rows))
            bare = min(bare, _seconds(_bare, server, given.rows))
    ratio = bare / ours
    print(f"ours      {given.rows / ours:>10,.0f} rows/s  {ours:.2f} s")
    print(f"bare dlt  {given.rows / bare:>10,.0f} rows/s  {bare:.2f} s")
    print(f"ratio     {ratio:.2f}, to hold: at least {TARGET}")
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
