"""A MariaDB table arrives in the dataset whole, exact, and once."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from shared.connectors.watermarks import decode
from shared.errors import PermanentError, TransientError
from tests.connectors.databases import PASSWORD, MariaDb, Postgres, Shop, counts, orders

TABLE = "CREATE TABLE orders (id int PRIMARY KEY, name text, changed datetime(6))"


def _shop(source: MariaDb, dataset: Postgres, **stream: object) -> Shop:
    return Shop(orders(source.url, password=PASSWORD, **stream), dataset)  # pyright: ignore[reportArgumentType]


def test_a_first_and_a_later_sync_bring_new_changed_and_sibling_rows(
    mariadb: MariaDb, dataset: Postgres
) -> None:
    mariadb.execute(
        TABLE,
        "INSERT INTO orders VALUES (1, 'a', '2024-01-01 00:00:00.000001'),"
        " (2, 'b', '2024-01-01 00:00:00.000002'), (3, 'never', NULL)",
    )
    shop = _shop(mariadb, dataset)
    assert counts(shop.sync()) == (3, 3, 0)
    assert decode(shop.watermarks["orders"]) == datetime(2024, 1, 1, 0, 0, 0, 2)  # noqa: DTZ001
    mariadb.execute(
        "UPDATE orders SET name = 'A', changed = '2024-02-01' WHERE id = 1",
        "INSERT INTO orders VALUES (4, 'sibling', '2024-01-01 00:00:00.000002')",
    )
    assert counts(shop.sync()) == (4, 1, 1)
    assert shop.loaded("id, name") == [(1, "A"), (2, "b"), (3, "never"), (4, "sibling")]


def test_a_composite_key_tells_rows_apart(mariadb: MariaDb, dataset: Postgres) -> None:
    mariadb.execute(
        "CREATE TABLE orders (shop int, id int, changed int, PRIMARY KEY (shop, id))",
        "INSERT INTO orders VALUES (1, 1, 1), (1, 2, 1), (2, 1, 1)",
    )
    shop = _shop(mariadb, dataset, primary_key=["shop", "id"])
    assert [counts(shop.sync()), counts(shop.sync())] == [(3, 3, 0), (3, 0, 0)]


def test_every_value_arrives_exactly(mariadb: MariaDb, dataset: Postgres) -> None:
    mariadb.execute(
        "CREATE TABLE orders (id bigint unsigned PRIMARY KEY, money decimal(30,10), ratio double,"
        " at timestamp(6) NULL, wall datetime(3), day date, span time, name text, doc json,"
        " bytes varbinary(10), flag bool, bits bit(4), year year, mood enum('sad','ok'),"
        " tags set('a','b'), tiny tinyint)",
        "SET time_zone = '+05:00'",
        "INSERT INTO orders VALUES (18446744073709551615, 12345678901234567890.0123456789,"
        " 0.1, '2024-03-31 06:30:00.123456', '2024-03-31 02:30:00.500', '2024-02-29',"
        " '-100:00:01', 'æøå ''quoted'' \\\\ \\n 😀', '{\"n\": 1.10}', x'00ff27', true, b'1010',"
        " 2024, 'ok', 'a,b', -128)",
        "INSERT INTO orders (id, name, bytes) VALUES (1, '', '')",
    )
    shop = _shop(mariadb, dataset, cursor=None)
    shop.sync()
    columns = (
        "id, money, ratio, at, wall, day, span, name, doc::text, flag, bits, year, mood, tags, tiny"
    )
    nothing, full = shop.loaded(columns)
    assert nothing == (1, *[None] * 6, "", *[None] * 7)
    assert full == (
        18446744073709551615,
        Decimal("12345678901234567890.0123456789"),
        0.1,
        datetime(2024, 3, 31, 1, 30, 0, 123456, tzinfo=UTC),
        datetime(2024, 3, 31, 2, 30, 0, 500000),  # noqa: DTZ001 (a column without a zone)
        date(2024, 2, 29),
        "-100:00:01",
        "æøå 'quoted' \\ \n 😀",
        '{"n": 1.10}',
        1,
        10,
        2024,
        "ok",
        "a,b",
        -128,
    )
    assert [bytes(row[1]) for row in shop.loaded("id, bytes")] == [b"", b"\x00\xff'"]


def test_a_number_of_single_precision_arrives_with_all_of_its_digits_and_no_more(
    mariadb: MariaDb, dataset: Postgres
) -> None:
    mariadb.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, size float)",
        "INSERT INTO orders VALUES (1, 0.1), (2, 16777215), (3, 1.2345678), (4, NULL),"
        " (5, -3.40282e38), (6, 1e-30)",
    )
    shop = _shop(mariadb, dataset, cursor=None)
    shop.sync()
    sizes = [size for _, size in shop.loaded("id, size")]
    assert sizes == [0.1, 16777215.0, 1.2345678, None, -3.40282e38, 1e-30]


@pytest.mark.parametrize("sync_mode", ["incremental", "full_refresh"])
def test_a_text_with_a_nul_character_is_rejected_and_its_neighbours_land(
    mariadb: MariaDb, dataset: Postgres, sync_mode: str
) -> None:
    mariadb.execute(
        TABLE,
        "INSERT INTO orders VALUES (1, 'a', '2024-01-01'), (2, 'b', '2024-01-02'),"
        " (3, 'c', '2024-01-03')",
    )
    shop = _shop(mariadb, dataset, sync_mode=sync_mode)
    shop.sync()
    mariadb.execute("UPDATE orders SET name = 'x\\0y', changed = '2024-02-01' WHERE id < 3")
    result = shop.sync()
    assert (result.records_failed, result.metadata["records_deleted"]) == (2, 0)
    assert shop.loaded("id, name") == [(1, "a"), (2, "b"), (3, "c")]
    found = shop.loaded("reason, detail, record LIKE '%\"x\\\\u0000y\"%'", "syncline_rejects")
    assert found == [("nul_character", "name", True)] * 2


def test_a_cursor_with_a_nul_character_is_no_watermark(mariadb: MariaDb, dataset: Postgres) -> None:
    mariadb.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed varchar(9) COLLATE utf8mb4_bin)",
        "INSERT INTO orders VALUES (1, 'a'), (2, 'b\\0')",
    )
    shop = _shop(mariadb, dataset)
    assert shop.sync().records_failed == 1
    assert decode(shop.watermarks["orders"]) == "a"


def test_an_empty_source_loads_nothing(mariadb: MariaDb, dataset: Postgres) -> None:
    mariadb.execute(TABLE)
    assert counts(_shop(mariadb, dataset).sync()) == (0, 0, 0)


def test_a_missing_table_is_a_permanent_error(mariadb: MariaDb, dataset: Postgres) -> None:
    with pytest.raises(PermanentError, match="no such table") as failed:
        _shop(mariadb, dataset).sync()
    assert failed.value.code == "configuration"


@pytest.mark.parametrize(
    ("pattern", "instead", "code"),
    [("reader@", "stranger@", "authorization"), (r"/[^/]+$", "/nosuch", "configuration")],
)
def test_a_login_or_database_that_is_not_there_is_a_permanent_error(
    mariadb: MariaDb, dataset: Postgres, pattern: str, instead: str, code: str
) -> None:
    url = re.sub(pattern, instead, mariadb.url)
    with pytest.raises(PermanentError) as failed:
        Shop(orders(url, password=PASSWORD), dataset).sync()
    assert failed.value.code == code
    assert PASSWORD not in str(failed.value)


def test_a_source_that_is_down_is_a_transient_error(dataset: Postgres) -> None:
    shop = Shop(orders("mariadb://reader@127.0.0.1:1/shop", password=PASSWORD), dataset)
    with pytest.raises(TransientError, match="cannot be reached") as failed:
        shop.sync()
    assert PASSWORD not in str(failed.value)
