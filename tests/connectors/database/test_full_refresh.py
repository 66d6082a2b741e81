"""The database connector brings a table whole when it is told to, and only then."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from shared.connectors.base import HasTime, SyncRequest, always_has_time
from shared.connectors.database.config import DatabaseConfig
from tests.connectors.databases import DATASET, Postgres, Shop, counts, never_has_time, orders
from tests.connectors.fences import CONFIRMED, Lease, frozen_loader

SEEN = f"pg_tables WHERE schemaname = '{DATASET}_staging' AND tablename LIKE 'seen %'"


class OneRun(Shop):
    """A connector whose slices are all of one run."""

    def request(self, has_time: HasTime = always_has_time) -> SyncRequest:
        return replace(super().request(has_time), run_id=self.connector_id)


TABLE = "CREATE TABLE orders (id int PRIMARY KEY, name text, changed int)"
ROWS = "INSERT INTO orders SELECT n, 'n', n FROM generate_series(1, 7) n"


def test_a_table_without_a_cursor_is_refreshed_whole(source: Postgres, dataset: Postgres) -> None:
    source.execute(TABLE, ROWS)
    shop = Shop(orders(source.url, cursor=None), dataset)
    shop.sync()
    source.execute("DELETE FROM orders WHERE id < 4")
    assert shop.sync().metadata["records_deleted"] == 3
    assert shop.loaded("id, changed") == [(n, n) for n in range(4, 8)]


def test_a_table_with_a_cursor_keeps_what_the_source_has_no_more(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, ROWS)
    shop = Shop(orders(source.url), dataset)
    shop.sync()
    source.execute("DELETE FROM orders")
    assert shop.sync().metadata["records_deleted"] == 0
    assert len(shop.loaded("id, changed")) == 7


@pytest.mark.usefixtures("small_pages")
def test_a_full_refresh_in_slices_goes_by_no_watermark_and_leaves_none(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, ROWS)
    shop = OneRun(orders(source.url), dataset)
    shop.sync()
    marks = dict(shop.watermarks)
    shop.config = shop.type.config_model.model_validate(
        orders(source.url, sync_mode="full_refresh")
    )
    source.execute("DELETE FROM orders WHERE id IN (1, 5)")
    results = shop.sync_in_slices()
    assert [result.metadata["records_deleted"] for result in results] == [0, 2]
    assert [counts(result)[0] for result in results] == [3, 2]
    assert shop.loaded("id, changed") == [(n, n) for n in (2, 3, 4, 6, 7)]
    assert shop.watermarks == marks
    assert all(result.watermarks == () for result in results)


@pytest.mark.usefixtures("small_pages")
def test_a_row_that_changes_its_cursor_between_slices_is_not_deleted(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, ROWS)
    shop = OneRun(orders(source.url, sync_mode="full_refresh"), dataset)
    shop.sync()
    shop.sync(has_time=never_has_time)
    source.execute("UPDATE orders SET changed = NULL WHERE id = 7")
    shop.sync_in_slices()
    assert [row[0] for row in shop.loaded("id, changed")] == list(range(1, 8))


@pytest.mark.parametrize(("point", "nth"), [("turn_taken", 1), (CONFIRMED, 2)])
@pytest.mark.parametrize("rows", ["", "DELETE FROM orders WHERE id < 7"])
def test_a_frozen_loader_deletes_nothing_after_its_lease_went(
    source: Postgres,
    dataset: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    nth: int,
    rows: str,
) -> None:
    from shared.connectors import runner  # noqa: PLC0415 (dlt is slow to import)

    short = timedelta(milliseconds=100)
    defaults = {**runner.run_streams.__kwdefaults__, "load_wait": short}
    monkeypatch.setattr(runner.run_streams, "__kwdefaults__", defaults)
    source.execute(TABLE, ROWS)
    shop = Shop(orders(source.url, cursor=None), dataset)
    shop.sync()
    source.execute(rows or "DELETE FROM orders")
    with frozen_loader(shop, point, nth) as loader:
        source.execute("TRUNCATE orders", ROWS)
        Lease(dataset, fence=2).take()
        assert shop.sync(Lease(dataset, fence=2).confirm).metadata["records_deleted"] == 0
        assert loader.thaw() in ("lease_lost", "dataset_unavailable")
    assert len(shop.loaded("id, name")) == 7


@pytest.mark.parametrize(
    ("cursor", "sync_mode", "is_full"),
    [
        (None, None, True),
        ("changed", None, False),
        ("changed", "incremental", False),
        ("changed", "full_refresh", True),
        (None, "full_refresh", True),
    ],
)
def test_a_sync_is_incremental_by_a_cursor_unless_said_otherwise(
    cursor: str | None, sync_mode: str | None, is_full: bool
) -> None:
    plain = orders("postgresql://u@h/d", cursor=cursor, sync_mode=sync_mode)
    (stream,) = DatabaseConfig.model_validate(plain).streams
    assert stream.is_full_refresh is is_full
    assert stream.as_read().cursor == (None if is_full else cursor)
    assert DatabaseConfig.cursors_of(plain) == {"orders": None if is_full else cursor}


def test_an_incremental_sync_without_a_cursor_is_refused() -> None:
    with pytest.raises(ValidationError, match="sync_mode incremental needs a cursor"):
        DatabaseConfig.model_validate(
            orders("postgresql://u@h/d", cursor=None, sync_mode="incremental")
        )
