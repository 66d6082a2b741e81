"""A sync needs no more memory for a large table than for a small one."""

import subprocess
import sys

import pytest

from shared.connectors import slices
from shared.connectors.base import always_has_time
from shared.connectors.database.page_size import PAGE_BYTES
from tests.connectors.databases import Postgres, Shop, orders
from tests.connectors.peak_memory import STATUS

ROW = "n, md5(n::text) || repeat('x', 60), n, n * 1.5, now()"
WIDE_ROW = "n, repeat(md5(n::text), 3200), n, n * 1.5, now()"  # 100 KiB
MIXED_ROW = "n, CASE WHEN n <= 6000 THEN 'x' ELSE repeat(md5(n::text), 3200) END, n, n * 1.5, now()"
COLUMNS = "id int PRIMARY KEY, name text, changed int, price numeric, at timestamptz"


_on_linux = pytest.mark.skipif(not STATUS.exists(), reason="the peak is read from Linux")


@pytest.fixture(autouse=True)
def _small(source: Postgres) -> None:
    source.execute(
        f"CREATE TABLE small ({COLUMNS})", f"INSERT INTO small SELECT {ROW} FROM (VALUES (1)) v(n)"
    )


def _growth(source: Postgres, dataset: Postgres, table: str, rows: int, row: str = ROW) -> int:
    source.execute(
        f"CREATE TABLE {table} ({COLUMNS})",
        f"INSERT INTO {table} SELECT {row} FROM generate_series(1, {rows}) n",
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


@_on_linux
def test_five_times_the_rows_do_not_need_much_more_memory(
    source: Postgres, dataset: Postgres
) -> None:
    few = _growth(source, dataset, "few_rows", 20_000)
    many = _growth(source, dataset, "many_rows", 100_000)
    print(f"peak memory grew by {few} KiB for 20,000 rows and {many} KiB for 100,000")
    assert many < 1.6 * few + 16_384


@_on_linux
def test_wide_rows_do_not_need_much_more_memory_than_a_page_may_have(
    source: Postgres, dataset: Postgres
) -> None:
    grown = _growth(source, dataset, "wide_rows", 800, WIDE_ROW)
    print(f"peak memory grew by {grown} KiB for 800 rows of 100 KiB")
    assert grown * 1024 < 8 * PAGE_BYTES


@_on_linux
def test_wide_rows_behind_narrow_ones_need_no_more_memory_than_a_fetch_and_a_page_may_have(
    source: Postgres, dataset: Postgres
) -> None:
    grown = _growth(source, dataset, "mixed_rows", 7_000, MIXED_ROW)
    print(f"peak memory grew by {grown} KiB for 6,000 narrow rows and 1,000 of 100 KiB")
    fetch = 512 * 100 * 1024
    assert grown * 1024 < 2 * fetch + 8 * PAGE_BYTES


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
