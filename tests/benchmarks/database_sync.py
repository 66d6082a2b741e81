"""A first database sync against a bare dlt pipeline, its peak memory, and a sync of nothing new.

Run as `python -m tests.benchmarks.database_sync --rows N`; the exit status tells if all figures
hold. Both read the same table, in pages of the same size, and merge it by primary key into an
empty dataset. Rounds take turns, and the best of each side counts. The peaks are those of processes
of their own, for a tenth of the rows and for all of them.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import dlt
from dlt.sources.sql_database import sql_table

from infra.local.postgres import THROW_AWAY, PostgresServer, start_postgres
from shared.connectors.base import always_has_time
from shared.connectors.sandbox import PAGE_ROWS, shut_in
from tests.connectors.databases import Postgres, Shop, counts, orders

TARGET = 0.85
PEAK_TARGET = 1.15
NOTHING_NEW_SECONDS = 1.0

_TABLE = (
    "CREATE TABLE {name} AS SELECT n AS id, md5(n::text) AS name, 'NO' AS country,"
    " n % 97 AS quantity, (n * 1.25)::numeric(12,2) AS price, n % 2 = 0 AS paid,"
    " '2024-01-01Z'::timestamptz + n * '1 minute'::interval AS changed,"
    " '2024-01-01'::date + n % 365 AS day FROM generate_series(1, {rows}) n"
)


def _ours(source: Postgres, dataset: Postgres, rows: int) -> None:
    results = Shop(orders(source.url), dataset).sync_in_slices(has_time=always_has_time)
    assert sum(counts(result)[1] for result in results) == rows


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


def _nothing_new(server: PostgresServer) -> float:
    """Return how long a sync takes that finds what it has already."""
    server.create_database("dataset")
    source, dataset = _database(server, "source"), _database(server, "dataset")
    shop = Shop(orders(source.url), dataset)
    shop.sync_in_slices(has_time=always_has_time)
    source.execute("CREATE INDEX ON orders (changed, id)", "ANALYZE orders")
    started = time.perf_counter()
    assert counts(shop.sync()) == (1, 0, 0)
    elapsed = time.perf_counter() - started
    server.drop_database("dataset")
    return elapsed


def _peak_kib(server: PostgresServer, table: str) -> int:
    """Return by how much a process grows that syncs a table."""
    server.create_database("dataset")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.connectors.peak_memory",
            server.libpq_url("source"),
            server.libpq_url("dataset"),
            table,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    server.drop_database("dataset")
    return int(run.stdout.split()[0])


def _database(server: PostgresServer, name: str) -> Postgres:
    url = server.libpq_url(name)
    return Postgres(url, url)


def main() -> int:
    """Print the figures; return 0 if all of them hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    shut_in()
    with (
        tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder,
        start_postgres(Path(folder) / "data", settings=THROW_AWAY) as server,
    ):
        server.create_database("source")
        _database(server, "source").execute(
            *(_TABLE.format(name=name, rows=rows) for name, rows in _tables(given.rows).items())
        )
        ours = bare = float("inf")
        for _round in range(given.rounds):
            ours = min(ours, _seconds(_ours, server, given.rows))
            bare = min(bare, _seconds(_bare, server, given.rows))
        few, many = (_peak_kib(server, name) for name in ("tenth", "orders"))
        nothing = _nothing_new(server)
    ratio = bare / ours
    print(f"ours      {given.rows / ours:>10,.0f} rows/s  {ours:.2f} s")
    print(f"bare dlt  {given.rows / bare:>10,.0f} rows/s  {bare:.2f} s")
    print(f"ratio     {ratio:.2f}, to hold: at least {TARGET}")
    growth = many / few
    print(f"peak      {few / 1024:,.0f} MiB for a tenth of them, {many / 1024:,.0f} MiB for all")
    print(f"ratio     {growth:.2f}, to hold: at most {PEAK_TARGET}")
    print(f"nothing   {nothing:.2f} s of work for a sync that finds nothing new, to hold: under 1")
    holds = ratio >= TARGET and growth <= PEAK_TARGET and nothing < NOTHING_NEW_SECONDS
    return 0 if holds else 1


def _tables(rows: int) -> Mapping[str, int]:
    """Return the tables of the source with their rows: one to begin with, a tenth, and all."""
    return {"small": 1_000, "tenth": rows // 10, "orders": rows}


if __name__ == "__main__":
    sys.exit(main())
