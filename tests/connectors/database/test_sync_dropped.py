"""What somebody drops in the dataset is made again only where the sync brings all of it."""

import logging

import pytest

from shared.connectors.base import SyncResult, Watermark
from shared.errors import PermanentError
from tests.connectors.databases import (
    DATASET,
    Postgres,
    Shop,
    counts,
    never_has_time,
    orders,
)

TABLE = "CREATE TABLE orders (id int PRIMARY KEY, changed int, v int)"
ROWS = "INSERT INTO orders SELECT n, n, 7 FROM generate_series(1, 4) n"
NEW_ROW = "INSERT INTO orders (id, changed, v) VALUES (9, 9, 9)"
NEW_COLUMN = "ALTER TABLE orders ADD extra int"
DROP = f"DROP TABLE {DATASET}.orders"


def synced(source: Postgres, dataset: Postgres, cursor: str | None = "changed") -> Shop:
    """Return a connector that has brought four rows."""
    source.execute(TABLE, ROWS)
    shop = Shop(orders(source.url, cursor=cursor), dataset)
    assert counts(shop.sync()) == (4, 4, 0)
    return shop


@pytest.mark.parametrize("change", [NEW_ROW, NEW_COLUMN])
@pytest.mark.parametrize(
    "drop", [DROP, f"DROP SCHEMA {DATASET} CASCADE", f"ALTER TABLE {DATASET}.orders RENAME TO kept"]
)
def test_a_table_of_which_only_newer_rows_would_come_is_not_made_again(
    source: Postgres, dataset: Postgres, drop: str, change: str
) -> None:
    shop = synced(source, dataset)
    watermarks = dict(shop.watermarks)
    dataset.execute(drop)
    source.execute(change)
    for _attempt in range(2):
        with pytest.raises(PermanentError, match="table orders is gone") as refused:
            shop.sync()
        assert refused.value.code == "configuration"
        assert not dataset.has_table(f"{DATASET}.orders")
    assert shop.watermarks == watermarks


def test_a_table_that_is_restored_goes_on(source: Postgres, dataset: Postgres) -> None:
    shop = synced(source, dataset)
    dataset.execute(f"ALTER TABLE {DATASET}.orders RENAME TO kept")
    source.execute(NEW_COLUMN, NEW_ROW)
    with pytest.raises(PermanentError, match="restore it"):
        shop.sync()
    dataset.execute(f"ALTER TABLE {DATASET}.kept RENAME TO orders")
    assert counts(shop.sync()) == (2, 1, 0)
    assert len(shop.loaded("id, v")) == 5


def test_a_name_that_the_dataset_spells_otherwise_is_found(
    source: Postgres, dataset: Postgres
) -> None:
    name = f"Order {'Lines' * 11}"
    source.execute(TABLE.replace("orders", f'"{name}"'), ROWS.replace("orders", f'"{name}"'))
    shop = Shop(orders(source.url, table=name), dataset)
    assert [counts(shop.sync()), counts(shop.sync())] == [(4, 4, 0), (1, 0, 0)]
    ((landed,),) = dataset.rows(
        "SELECT tablename FROM pg_tables"
        f" WHERE schemaname = '{DATASET}' AND tablename NOT LIKE '\\_dlt%'"
    )
    dataset.execute(f"DROP TABLE {DATASET}.{landed}")
    with pytest.raises(PermanentError, match=f"table {landed} is gone"):
        shop.sync()


@pytest.mark.parametrize("drop", [DROP, f"DROP SCHEMA {DATASET} CASCADE"])
@pytest.mark.parametrize("change", [None, NEW_COLUMN])
def test_a_table_that_every_run_reads_whole_is_made_again(
    source: Postgres, dataset: Postgres, drop: str, change: str | None
) -> None:
    shop = synced(source, dataset, cursor=None)
    dataset.execute(drop)
    if change is not None:
        source.execute(change)
    assert counts(shop.sync()) == (4, 4, 0)
    assert counts(shop.sync()) == (4, 0, 0)


def test_a_table_is_made_again_after_its_watermark_was_reset(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced(source, dataset)
    dataset.execute(DROP)
    shop.watermarks.clear()
    assert counts(shop.sync()) == (4, 4, 0)


def test_a_table_is_made_again_whose_watermark_is_of_another_cursor(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced(source, dataset)
    dataset.execute(DROP)
    shop.watermarks["orders"] = Watermark("orders", "v", {"type": "int", "value": "7"})
    assert counts(shop.sync()) == (4, 4, 0)


@pytest.mark.usefixtures("small_pages")
def test_a_table_that_is_dropped_between_two_slices_is_made_again_by_the_next_run_only(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, ROWS)
    shop = Shop(orders(source.url, cursor=None), dataset)
    assert counts(shop.sync(has_time=never_has_time)) == (3, 3, 0)
    dataset.execute(DROP)
    with pytest.raises(PermanentError, match="table orders is gone"):
        shop.sync()
    shop.positions = {}
    assert counts(shop.sync()) == (4, 4, 0)


def _two(source: Postgres, dataset: Postgres) -> Shop:
    source.execute(TABLE, ROWS, "CREATE TABLE lines AS SELECT * FROM orders")
    streams = [
        {"table": name, "primary_key": ["id"], "cursor": "changed"} for name in ("lines", "orders")
    ]
    shop = Shop({"url": source.url, "streams": streams}, dataset)
    assert counts(shop.sync()) == (8, 8, 0)
    return shop


def test_of_several_tables_the_others_are_loaded_when_one_is_gone(
    source: Postgres, dataset: Postgres
) -> None:
    shop = _two(source, dataset)
    dataset.execute(DROP)
    source.execute(NEW_ROW.replace("orders", "lines"))
    (failure,) = shop.sync().failures
    assert (failure.stream, "table orders is gone" in str(failure.error)) == ("orders", True)
    assert len(shop.loaded("id, v", "lines")) == 5


def test_if_all_tables_are_gone_the_sync_fails(source: Postgres, dataset: Postgres) -> None:
    shop = _two(source, dataset)
    dataset.execute(f"DROP SCHEMA {DATASET} CASCADE")
    with pytest.raises(PermanentError) as refused:
        shop.sync()
    assert str(refused.value) == (
        "The dataset's table lines is gone, and with it what earlier syncs brought: restore it, or"
        " load everything again with a new connector."
    )


def test_a_table_that_is_not_synced_any_more_may_be_dropped(
    source: Postgres, dataset: Postgres
) -> None:
    shop = _two(source, dataset)
    dataset.execute(f"DROP TABLE {DATASET}.lines")
    shop.config = shop.type.config_model.model_validate(orders(source.url))
    assert counts(shop.sync()) == (1, 0, 0)
    assert not dataset.has_table(f"{DATASET}.lines")


def test_a_table_that_was_emptied_stays_and_takes_what_is_new(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced(source, dataset)
    dataset.execute(f"TRUNCATE {DATASET}.orders")
    source.execute(NEW_ROW)
    assert counts(shop.sync()) == (2, 2, 0)


def test_a_dataset_has_the_tables_of_its_streams_and_no_others(
    source: Postgres, dataset: Postgres
) -> None:
    synced(source, dataset)
    tables = f"SELECT tablename FROM pg_tables WHERE schemaname LIKE '{DATASET}%'"
    assert dataset.rows(tables) == [("orders",)]


def _with_new_column(source: Postgres, shop: Shop) -> SyncResult:
    source.execute(NEW_COLUMN, "UPDATE orders SET extra = 1, changed = 9 WHERE id = 4")
    return shop.sync()


def test_a_part_of_the_key_is_not_made_again_with_a_new_column(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced(source, dataset)
    dataset.execute(f"ALTER TABLE {DATASET}.orders DROP id")
    with pytest.raises(PermanentError, match="has no id, which is in the primary key"):
        _with_new_column(source, shop)


@pytest.mark.parametrize("column", ["v", "_dlt_load_id"])
def test_another_column_is_made_again_empty_in_the_rows_that_are_there(
    source: Postgres, dataset: Postgres, column: str
) -> None:
    shop = synced(source, dataset)
    dataset.execute(f"ALTER TABLE {DATASET}.orders DROP {column}")
    assert counts(_with_new_column(source, shop)) == (1, 0, 1)
    filled = shop.loaded(f"id, extra, {column} IS NOT NULL")
    assert filled == [(1, None, False), (2, None, False), (3, None, False), (4, 1, True)]


def test_a_column_that_is_new_in_the_source_is_logged_without_alarm(
    source: Postgres, dataset: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    shop = synced(source, dataset)
    with caplog.at_level(logging.INFO, "shared.connectors.dataset"):
        _with_new_column(source, shop)
    (record,) = caplog.records
    fields = record.__dict__["syncline_fields"]
    assert (record.levelno, fields["column"]) == (logging.INFO, "extra")
    assert "was" not in fields
