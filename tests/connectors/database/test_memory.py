"""A sync needs no more memory for a large table than for a small one."""

import subprocess
import sys

import pytest

from shared.connectors import slices
from shared.connectors.base import always_has_time
from tests.connectors.databases import Postgres, Shop, orders

ROW = "n, md5(n::text) || repeat('x', 60), n, n * 1.5, now()"
COLUMNS = "id int PRIMARY KEY, name text, changed int, price numeric, at timestamptz"


def _growth(source: Postgres, dataset: Postgres, table: str, rows: int) -> int:
    source.execute(
        f"CREATE TABLE {table} ({COLUMNS})",
        f"INSERT INTO {table} SELECT {ROW} FROM generate_series(1, {rows}) n",
    )
    run = subprocess.run(
        [sys.executable, "-m", "tests.connectors.peak_memory", source.url, dataset.dsn, table],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    grown, created = map(int, run.stdout.split())
    assert created == rows
    return grown


def test_five_times_the_rows_do_not_need_much_more_memory(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(
        f"CREATE TABLE small ({COLUMNS})", f"INSERT INTO small SELECT {ROW} FROM (VALUES (1)) v(n)"
    )
    few = _growth(source, dataset, "few_rows", 20_000)
    many = _growth(source, dataset, "many_rows", 100_000)
    print(f"peak memory grew by {few} KiB for 20,000 rows and {many} KiB for 100,000")
    assert many < 1.6 * few + 16_384


def test_a_slice_is_over_when_its_files_are_as_large_as_memory_allows(
    source: Postgres, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.execute(
        f"CREATE TABLE orders ({COLUMNS})",
        f"INSERT INTO orders SELECT {ROW} FROM generate_series(1, 25_000) n",
    )
    monkeypatch.setattr(slices, "FOLDER_BYTES", 200_000)  # two pages of these rows, compressed

    results = Shop(orders(source.url), dataset).sync_in_slices(has_time=always_has_time)

    read = [result.records_processed for result in results]
    assert sum(read) == 25_000
    assert len(read) >= 3
