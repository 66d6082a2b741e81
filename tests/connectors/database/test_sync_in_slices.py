"""A run in several slices brings what a run in one brings, and each slice counts its own."""

from collections.abc import Mapping
from typing import Any

import pytest

from shared.connectors.base import SyncResult
from shared.connectors.watermarks import decode
from shared.errors import LeaseLostError
from tests.connectors.databases import (
    DATASET,
    PASSWORD,
    MariaDb,
    Postgres,
    Shop,
    counts,
    hold_lease,
    never_has_time,
    orders,
)

pytestmark = pytest.mark.usefixtures("small_pages")

TABLE = "CREATE TABLE orders (id int PRIMARY KEY, name varchar(20), changed int)"
COLUMNS = "id, name, changed"


def _fill(rows: int, table: str = "orders") -> str:
    return f"INSERT INTO {table} SELECT n, 'n', n / 3 FROM generate_series(1, {rows}) n"


def _streams(result: SyncResult) -> Mapping[str, Any]:
    streams = result.metadata["streams"]
    assert isinstance(streams, dict)
    return streams


def test_each_slice_loads_a_page_counts_it_and_moves_the_watermark_so_far(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, _fill(7))
    shop = Shop(orders(source.url), dataset)
    results = shop.sync_in_slices()
    assert [counts(result) for result in results] == [(3, 3, 0), (3, 3, 0), (1, 1, 0)]
    assert [decode(mark) for result in results for mark in result.watermarks] == [1, 2, 2]
    assert [result.positions is None for result in results] == [False, False, True]
    assert shop.loaded(COLUMNS) == source.rows(f"SELECT {COLUMNS} FROM orders ORDER BY 1")


def test_a_mariadb_table_is_loaded_in_slices(mariadb: MariaDb, dataset: Postgres) -> None:
    mariadb.execute(TABLE, "INSERT INTO orders SELECT seq, 'n', 7 FROM seq_1_to_7")
    shop = Shop(orders(mariadb.url, password=PASSWORD), dataset)
    assert [counts(result) for result in shop.sync_in_slices()] == [(3, 3, 0), (3, 3, 0), (1, 1, 0)]
    assert shop.loaded(COLUMNS) == mariadb.rows(f"SELECT {COLUMNS} FROM orders ORDER BY 1")


def test_a_run_without_rows_is_over_in_one_slice(source: Postgres, dataset: Postgres) -> None:
    source.execute(TABLE)
    (result,) = Shop(orders(source.url), dataset).sync_in_slices()
    assert (counts(result), result.positions, result.watermarks) == ((0, 0, 0), None, ())


def _four_streams(source: Postgres, dataset: Postgres) -> Shop:
    names = ("empty", "lines", "orders", "later")
    for name, rows in zip(names, (0, 4, 5, 2), strict=True):
        source.execute(TABLE.replace("orders", name), _fill(rows, name))
    streams = [{"table": name, "primary_key": ["id"], "cursor": "changed"} for name in names]
    return Shop({"url": source.url, "streams": streams}, dataset)


def test_of_several_tables_one_is_finished_before_the_next_is_begun(
    source: Postgres, dataset: Postgres
) -> None:
    shop = _four_streams(source, dataset)
    read = [
        {name: rows for name, rows in _streams(result).items() if rows}
        for result in shop.sync_in_slices()
    ]
    assert read == [{}, {"lines": 3}, {"lines": 1}, {"orders": 3}, {"orders": 2}, {"later": 2}]
    for name, rows in (("lines", 4), ("orders", 5), ("later", 2)):
        assert len(shop.loaded(COLUMNS, name)) == rows


def test_time_is_asked_for_between_pages_and_between_tables_only(
    source: Postgres, dataset: Postgres
) -> None:
    shop = _four_streams(source, dataset)
    asked = 0

    def has_time() -> bool:
        nonlocal asked
        asked += 1
        return True

    shop.sync(has_time=has_time)
    between_pages, between_tables = 2, 3
    assert asked == between_pages + between_tables


def test_a_finished_table_is_left_alone_until_the_next_run_and_a_later_one_until_its_turn(
    source: Postgres, dataset: Postgres
) -> None:
    shop = _four_streams(source, dataset)
    for _slice in range(4):
        shop.sync(has_time=never_has_time)
    finished = {name: position["finished"] for name, position in shop.positions.items()}
    assert finished == {"empty": True, "lines": True, "orders": False}
    source.execute("INSERT INTO lines VALUES (99, 'n', 99)")
    assert _streams(shop.sync()) == {"orders": 2, "later": 2}
    assert _streams(shop.sync())["lines"] == 3


def test_a_finished_table_that_is_configured_otherwise_is_read_again(
    source: Postgres, dataset: Postgres
) -> None:
    shop = _four_streams(source, dataset)
    for _slice in range(3):
        shop.sync(has_time=never_has_time)
    streams = [{"table": name, "primary_key": ["id"]} for name in ("lines", "orders", "later")]
    shop.config = shop.type.config_model.model_validate({"url": source.url, "streams": streams})
    assert _streams(shop.sync()) == {"lines": 4, "orders": 5, "later": 2}


def test_what_changes_between_slices_arrives(source: Postgres, dataset: Postgres) -> None:
    source.execute(TABLE, _fill(7))
    shop = Shop(orders(source.url), dataset)
    shop.sync(has_time=never_has_time)
    source.execute(
        "UPDATE orders SET name = 'loaded before', changed = 9 WHERE id = 1",
        "UPDATE orders SET name = 'not yet read', changed = 9 WHERE id = 7",
        "INSERT INTO orders VALUES (8, 'new', 9)",
        "DELETE FROM orders WHERE id IN (3, 4)",  # the row that the slice stopped behind, and one
    )
    assert sum(result.records_updated for result in shop.sync_in_slices()) == 1
    left, loaded = source.rows(f"SELECT {COLUMNS} FROM orders"), shop.loaded(COLUMNS)
    assert loaded == sorted([*left, (3, "n", 1)])


def test_a_slice_that_was_killed_before_it_was_recorded_is_done_again_and_changes_nothing(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, _fill(7))
    shop = Shop(orders(source.url), dataset)
    shop.sync(has_time=never_has_time)
    unrecorded = shop.type.sync(shop.request(never_has_time), hold_lease)
    again = shop.sync(has_time=never_has_time)
    assert (counts(unrecorded), counts(again)) == ((3, 3, 0), (3, 0, 0))
    assert again.positions == unrecorded.positions
    shop.sync_in_slices()
    assert shop.loaded(COLUMNS) == source.rows(f"SELECT {COLUMNS} FROM orders ORDER BY 1")


def test_a_run_that_ends_between_slices_leaves_the_rest_to_the_next(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, _fill(7), "UPDATE orders SET changed = 7")
    shop = Shop(orders(source.url), dataset)
    shop.sync(has_time=never_has_time)
    shop.positions = {}
    assert counts(shop.sync()) == (7, 4, 0)


def test_a_lease_that_is_lost_while_reading_ends_the_slice_and_nothing_is_loaded(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, _fill(7))

    def has_time() -> bool:
        raise LeaseLostError("Another worker holds the run.")

    with pytest.raises(LeaseLostError):
        Shop(orders(source.url), dataset).sync(has_time=has_time)
    assert not dataset.has_table(f"{DATASET}.orders")


def test_a_row_with_a_null_in_its_key_is_rejected_in_whatever_slice_it_is_read(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(
        "CREATE TABLE orders (shop int, id int, changed int)",
        "INSERT INTO orders SELECT 1, n, 7 FROM generate_series(1, 4) n",
        "INSERT INTO orders VALUES (1, NULL, 7)",
    )
    shop = Shop(orders(source.url, primary_key=["shop", "id"]), dataset)
    results = shop.sync_in_slices()
    assert [result.records_failed for result in results] == [0, 1]
    assert len(shop.loaded("shop, id")) == 4
