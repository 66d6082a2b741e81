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


def _pages(
    widths: Sequence[int | None],
    plans: Sequence[ColumnPlan] = PLANS,
    dialect: str = "postgresql",
) -> tuple[list[int], list[int]]:
    """Return the rows of each page and of each fetch, of rows with names of these widths."""
    size, pages, fetches = PageSize(plans, MOST_ROWS, dialect), [0], []
    left: list[dict[str, Any]] = [
        {"id": 1, "name": None if width is None else "x" * width} for width in widths
    ]
    while left:
        fetches.append(size.next_fetch())
        fetched, left = left[: fetches[-1]], left[fetches[-1] :]
        while fetched:
            taken = size.take(fetched)
            pages[-1] += taken
            fetched = fetched[taken:]
            if fetched or size.is_full():
                size.begin_page()
                pages.append(0)
    return [rows for rows in pages if rows > 0], fetches


def _named(longest: int | None) -> list[ColumnPlan]:
    return [PLANS[0], ColumnPlan("name", Kind.TEXT, column("name"), longest=longest)]


def test_narrow_rows_fill_pages_of_as_many_rows_as_allowed() -> None:
    pages, fetches = _pages([10] * 20_000)
    assert pages == [MOST_ROWS] * 4
    assert fetches[:4] == [1, 32, 512, 512]
    assert len(fetches) == 42


def test_rows_that_cannot_be_wide_come_a_page_at_a_time() -> None:
    pages, fetches = _pages([10] * 20_000, _named(longest=255))
    assert pages == [MOST_ROWS] * 4
    assert fetches == [1, 32, 1_024, 3_943, 5_000, 5_000, 5_000]


@pytest.mark.parametrize(
    ("longest", "dialect", "most"),
    [
        (4_000, "postgresql", 2_064),
        (1_000_000, "postgresql", 512),
        (None, "postgresql", 512),
        (4_000, "mysql", 2_064),
        (1_000_000, "mysql", 16),
        (None, "mysql", 16),
        (None, "mariadb", 16),
    ],
)
def test_a_fetch_has_no_more_rows_than_memory_has_room_for_if_all_are_wide(
    longest: int | None, dialect: str, most: int
) -> None:
    _, fetches = _pages([10] * 10_000, _named(longest), dialect)
    assert max(fetches) == most


@pytest.mark.parametrize(("dialect", "most"), [("postgresql", 512), ("mariadb", 16)])
def test_wide_rows_behind_narrow_ones_are_cut_into_pages_as_if_there_were_wide_ones_only(
    dialect: str, most: int
) -> None:
    narrow, wide = 6_000, 100_000
    pages, fetches = _pages([1] * narrow + [wide] * 1_000, dialect=dialect)
    assert sum(pages) == 7_000
    assert pages[0] == MOST_ROWS
    bytes_of_pages = [rows * wide for rows in pages[2:]]
    assert max(bytes_of_pages) <= PAGE_BYTES
    assert max(fetches) <= most
    assert len(pages) <= 20


def test_rows_without_a_value_are_narrow() -> None:
    assert _pages([None] * 10_000)[0] == [MOST_ROWS] * 2


@pytest.mark.parametrize("width", [10_000, 100_000, PAGE_BYTES // 2 - 100])
def test_wide_rows_fill_pages_of_about_as_many_bytes_as_allowed(width: int) -> None:
    pages, _ = _pages([width] * (4 * PAGE_BYTES // width))
    assert all(PAGE_BYTES // 2 <= rows * width <= PAGE_BYTES for rows in pages[:-1])
    assert len(pages) <= 6


def test_a_row_that_is_wider_than_a_page_may_be_has_a_page_of_its_own() -> None:
    assert _pages([PAGE_BYTES] * 3)[0] == [1, 1, 1]


def test_after_wide_rows_narrow_ones_come_in_large_fetches_again() -> None:
    _, fetches = _pages([100_000] * 200 + [10] * 40_000)
    assert max(fetches[-20:]) == 512


def test_of_bytes_each_takes_two_letters() -> None:
    size = PageSize([ColumnPlan("data", Kind.BINARY, column("data"))], MOST_ROWS, "postgresql")
    half = {"data": memoryview(bytes(PAGE_BYTES // 2))}
    assert size.take([half, half]) == 1
    assert size.is_full()


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
    bytes_of_pages = [sum(len(row["name"]) for row in rows) for rows in slices]
    assert max(bytes_of_pages) <= PAGE_BYTES
    assert len(slices) == 3


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
