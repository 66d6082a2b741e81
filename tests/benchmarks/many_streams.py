"""A sync of 50 tables with a row each, against one bare dlt pipeline that reads them all.

Run as `python -m tests.benchmarks.many_streams --streams N`; the exit status tells if the figure
holds. Both find the tables in an empty dataset and merge them by primary key. Rounds take turns,
and the best of each side counts. Ours reads, prepares and merges each table by itself, so that what
one of them meets is its own trouble: the ratio is the price of that.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import dlt
from dlt.sources.sql_database import sql_table

from infra.local.postgres import THROW_AWAY, PostgresServer, start_postgres
from shared.connectors.sandbox import PAGE_ROWS, shut_in
from tests.connectors.databases import Postgres, Shop, counts

TARGET = 0.75


def _ours(source: Postgres, dataset: Postgres, names: Sequence[str]) -> None:
    streams = [{"table": name, "primary_key": ["id"], "cursor": "id"} for name in names]
    result = Shop({"url": source.url, "streams": streams}, dataset).sync()
    assert counts(result) == (len(names), len(names), 0)


def _bare(source: Postgres, dataset: Postgres, names: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bare",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(dataset.dsn.replace("@", ":@")),
            dataset_name="bare",
        )
        tables = [
            sql_table(
                source.url.replace("postgresql:", "postgresql+psycopg2:"),
                table=name,
                chunk_size=PAGE_ROWS,
                incremental=dlt.sources.incremental("id"),
                primary_key=["id"],
                write_disposition={"disposition": "merge", "strategy": "upsert"},
            )
            for name in names
        ]
        pipeline.run(tables)
        pipeline.deactivate()
    assert dataset.rows(f"SELECT count(*) FROM bare.{names[-1]}") == [(1,)]


def _seconds(
    side: Callable[[Postgres, Postgres, Sequence[str]], None],
    server: PostgresServer,
    names: Sequence[str],
) -> float:
    server.create_database("dataset")
    started = time.perf_counter()
    side(_database(server, "source"), _database(server, "dataset"), names)
    elapsed = time.perf_counter() - started
    server.drop_database("dataset")
    return elapsed


def _database(server: PostgresServer, name: str) -> Postgres:
    url = server.libpq_url(name)
    return Postgres(url, url)


def main() -> int:
    """Print the figures; return 0 if the ratio holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    names = [f"t{number}" for number in range(given.streams)]
    shut_in()
    with (
        tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder,
        start_postgres(Path(folder) / "data", settings=THROW_AWAY) as server,
    ):
        server.create_database("source")
        for name in names:
            _database(server, "source").execute(
                f"CREATE TABLE {name} (id int PRIMARY KEY, v text)",
                f"INSERT INTO {name} VALUES (1, 'a')",
            )
        ours = bare = float("inf")
        for _round in range(given.rounds):
            ours = min(ours, _seconds(_ours, server, names))
            bare = min(bare, _seconds(_bare, server, names))
    ratio = bare / ours
    each = 1_000 / len(names)
    print(f"ours      {ours:.2f} s  {ours * each:>5.0f} ms a stream")
    print(f"bare dlt  {bare:.2f} s  {bare * each:>5.0f} ms a stream")
    print(f"ratio     {ratio:.2f}, to hold: at least {TARGET}")
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
