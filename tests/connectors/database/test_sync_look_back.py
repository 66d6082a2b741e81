"""Rows that come late are read if the look-back reaches them; a table tells its own key."""

from datetime import date
from typing import Any

import pytest

from shared.connectors.database.config import DatabaseConfig
from shared.connectors.watermarks import decode, encode
from shared.domain.fault import Fault
from shared.errors import PermanentError
from tests.connectors.databases import (
    DATASET,
    PASSWORD,
    MariaDb,
    Postgres,
    Shop,
    counts,
    never_has_time,
    orders,
)


def _late(source: Postgres, dataset: Postgres, kind: str, **stream: Any) -> Shop:
    """Return a shop whose source got a row of an hour before its newest, after a sync."""
    source.execute(
        f"CREATE TABLE orders (id int PRIMARY KEY, changed {kind})",
        "INSERT INTO orders VALUES (1, '2024-03-02 00:30:00')",
    )
    shop = Shop(orders(source.url, **stream), dataset)
    assert counts(shop.sync()) == (1, 1, 0)
    source.execute("INSERT INTO orders VALUES (2, '2024-03-01 23:30:00')")
    return shop


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_a_row_that_comes_late_is_read_within_the_look_back(
    source: Postgres, dataset: Postgres, kind: str
) -> None:
    shop = _late(source, dataset, kind, look_back_seconds=3_600)
    before = shop.watermarks["orders"]
    assert counts(shop.sync()) == (2, 1, 0)
    assert shop.watermarks["orders"] == before
    assert counts(shop.sync()) == (2, 0, 0)


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_without_a_look_back_it_is_missed(source: Postgres, dataset: Postgres, kind: str) -> None:
    assert counts(_late(source, dataset, kind).sync()) == (1, 0, 0)


def test_a_look_back_needs_a_cursor_that_is_a_time(source: Postgres, dataset: Postgres) -> None:
    source.execute("CREATE TABLE orders (id int PRIMARY KEY, changed int)")
    with pytest.raises(PermanentError, match="no date or time") as raised:
        Shop(orders(source.url, look_back_seconds=60), dataset).sync()
    assert raised.value.fault is Fault.SCHEMA
    with pytest.raises(ValueError, match="incremental streams"):
        DatabaseConfig.model_validate(orders(source.url, cursor=None, look_back_seconds=60))


@pytest.mark.usefixtures("small_pages")
def test_a_table_tells_its_primary_key_in_one_piece_and_in_slices(
    source: Postgres, mariadb: MariaDb, dataset: Postgres
) -> None:
    for server, more in ((source, {}), (mariadb, {"password": PASSWORD})):
        server.execute(
            "CREATE TABLE orders (a int, b int, note varchar(9), PRIMARY KEY (b, a))",
            "INSERT INTO orders VALUES (1, 1, 'x'), (2, 1, 'x'), (1, 2, 'x'), (2, 2, 'x')",
        )
        for cursor in ("b", None):
            dataset.execute(
                f"DROP SCHEMA IF EXISTS {DATASET} CASCADE",
                f"DROP SCHEMA IF EXISTS {DATASET}_staging CASCADE",
            )
            config = orders(server.url, cursor=cursor, primary_key=None, **more)
            shop = Shop(config, dataset)
            assert [counts(one)[1] for one in shop.sync_in_slices(has_time=never_has_time)] == [
                3,
                1,
            ]
            assert len(shop.loaded("a, b")) == 4
            if cursor:
                assert decode(shop.watermarks["orders"]) == 2


def test_a_table_without_a_key_is_told_to_have_none(source: Postgres, dataset: Postgres) -> None:
    source.execute("CREATE TABLE orders (id int, changed int)")
    with pytest.raises(PermanentError, match="no primary key: name columns") as raised:
        Shop(orders(source.url, primary_key=None), dataset).sync()
    assert raised.value.fault is Fault.SCHEMA


@pytest.mark.usefixtures("small_pages")
def test_a_look_back_that_takes_several_slices_does_not_move_the_watermark_back(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed timestamptz)",
        "INSERT INTO orders SELECT n, '2024-03-01Z'::timestamptz + n * '1 minute'::interval"
        " FROM generate_series(1, 10) n",
    )
    shop = Shop(orders(source.url, look_back_seconds=86_400), dataset)
    shop.sync_in_slices()
    before = shop.watermarks["orders"]
    results = shop.sync_in_slices()
    assert [counts(result)[0] for result in results] == [3, 3, 3, 1]
    assert all(mark == before for result in results for mark in result.watermarks)


@pytest.mark.parametrize(
    ("kind", "written"),
    [("timestamptz", "2024-03-01 23:30:00+00"), ("timestamp", "2024-03-01 23:30:00")],
)
def test_a_day_that_a_person_set_is_where_a_cursor_of_times_starts(
    source: Postgres, dataset: Postgres, kind: str, written: str
) -> None:
    source.execute(
        f"CREATE TABLE orders (id int PRIMARY KEY, changed {kind})",
        f"INSERT INTO orders VALUES (1, '2024-02-29 00:00:00'), (2, '{written}')",
    )
    shop = Shop(orders(source.url), dataset)
    shop.sync()
    shop.watermarks["orders"] = encode("orders", "changed", date(2024, 3, 1))
    assert counts(shop.sync()) == (1, 0, 0)
