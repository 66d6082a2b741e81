"""A page is bounded by rows and by bytes, whatever the widths of the rows are."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import column

from shared.connectors.database.columns import ColumnPlan, Kind
from shared.connectors.database.page_size import PAGE_BYTES, PageSize
from tests.connectors.database.readings import reader, sizes, values
from tests.connectors.databases import PASSWORD, MariaDb, Postgres, never_has_time

MOST_ROWS = 5_000
PLANS = [
    ColumnPlan("id", Kind.BIGINT, column("id")),
    ColumnPlan("name", Kind.TEXT, column("name")),
]


def _pages(widths: Sequence[int | None]) -> tuple[list[int], list[int]]:
    """Return the rows of each page and of each fetch, of rows with names of these widths."""
    size, pages, fetches = PageSize(PLANS, MOST_ROWS), [0], []
    left: list[dict[str, Any]] = [
        {"id": 1, "name": None if width is None else "x" * width} for width in widths
    ]
    while left:
        wanted = size.next_fetch()
        if wanted == 0:
            size.begin_page()
            pages.append(0)
            continue
        fetches.append(wanted)
        fetched, left = left[:wanted], left[wanted:]
        size.add(fetched)
        pages[-1] += len(fetched)
    return pages, fetches


def test_narrow_rows_fill_pages_of_as_many_rows_as_allowed_with_few_fetches() -> None:
    pages, fetches = _pages([10] * 20_000)
    assert pages == [MOST_ROWS] * 4
    assert fetches == [1, 32, 1_024, 3_943, 5_000, 5_000, 5_000]


def test_rows_without_a_value_are_narrow() -> None:
    assert _pages([None] * 10_000)[0] == [MOST_ROWS] * 2


@pytest.mark.parametrize("width", [10_000, 100_000, PAGE_BYTES // 2])
def test_wide_rows_fill_pages_of_about_as_many_bytes_as_allowed(width: int) -> None:
    pages, _ = _pages([width] * (4 * PAGE_BYTES // width))
    assert all(PAGE_BYTES // 2 <= rows * width <= PAGE_BYTES for rows in pages[:-1])
    assert len(pages) <= 6


def test_a_row_that_is_wider_than_a_page_may_be_has_a_page_of_its_own() -> None:
    assert _pages([PAGE_BYTES] * 3)[0] == [1, 1, 1]


def test_after_a_few_narrow_rows_not_many_are_asked_for() -> None:
    _, fetches = _pages([1] * 33 + [100_000] * 100)
    assert fetches[:2] == [1, 32]
    assert fetches[2] <= 32 * 32


def test_after_wide_rows_narrow_ones_come_in_large_fetches_again() -> None:
    _, fetches = _pages([100_000] * 200 + [10] * 40_000)
    assert fetches[-1] == MOST_ROWS


def test_of_bytes_each_takes_two_letters() -> None:
    size = PageSize([ColumnPlan("data", Kind.BINARY, column("data"))], MOST_ROWS)
    size.add([{"data": memoryview(bytes(PAGE_BYTES // 2))}])
    assert size.next_fetch() == 0


def _check_mixed(rows: list[dict[str, Any]], widths: list[int]) -> None:
    assert [row["id"] for row in rows] == list(range(1, len(widths) + 1))
    assert [len(row["name"]) for row in rows] == widths


MIXED = [20] * 3_000 + [40_000] * 500 + [20] * 3_000


def test_a_postgresql_table_of_mixed_widths_is_read_whole_and_in_order(source: Postgres) -> None:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed int, name text)",
        "INSERT INTO orders SELECT n, n / 7,"
        " repeat('x', CASE WHEN n BETWEEN 3001 AND 3500 THEN 40000 ELSE 20 END)"
        " FROM generate_series(1, 6500) n",
    )
    _check_mixed(reader(source.url).read(lambda: True), MIXED)
    slices = reader(source.url).read_run()
    assert values(slices, "id") == list(range(1, 6_501))
    assert max(sizes(slices)) == MOST_ROWS


def test_a_mariadb_table_of_mixed_widths_is_read_whole_and_in_order(mariadb: MariaDb) -> None:
    mariadb.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed int, name longtext)",
        "INSERT INTO orders SELECT seq, seq DIV 7,"
        " repeat('x', IF(seq BETWEEN 3001 AND 3500, 40000, 20)) FROM seq_1_to_6500",
    )
    _check_mixed(reader(mariadb.url, password=PASSWORD).read(lambda: True), MIXED)
    slices = reader(mariadb.url, password=PASSWORD).read_run()
    assert values(slices, "id") == list(range(1, 6_501))


def test_rows_that_share_one_cursor_value_stay_together_where_a_key_finds_no_row_again(
    source: Postgres,
) -> None:
    source.execute(
        "CREATE TABLE orders (id float8 PRIMARY KEY, changed int, name text)",
        "INSERT INTO orders SELECT n, n / 100, repeat('x', 100000) FROM generate_series(0, 299) n",
    )
    slices = reader(source.url).read_run()
    assert sizes(slices) == [100, 100, 100]


def test_a_slice_of_wide_rows_is_over_after_one_page(source: Postgres) -> None:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed int, name text)",
        "INSERT INTO orders SELECT n, n, repeat('x', 100000) FROM generate_series(1, 200) n",
    )
    (rows,) = sizes([reader(source.url).read(never_has_time)])
    assert PAGE_BYTES // 2 <= rows * 100_000 <= PAGE_BYTES
