"""A table of SQL Server arrives in the dataset whole, exact, and once."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from shared.connectors.watermarks import decode
from shared.errors import PermanentError
from tests.connectors.database.sqlserver.server.running import SqlServer
from tests.connectors.databases import PASSWORD, Postgres, Shop, counts, orders

TABLE = "CREATE TABLE orders (id int NOT NULL PRIMARY KEY, name nvarchar(50), changed datetime2(6))"


def _shop(source: SqlServer, dataset: Postgres, **stream: object) -> Shop:
    return Shop(orders(source.url, password=PASSWORD, **stream), dataset)  # pyright: ignore[reportArgumentType]


def test_a_first_and_a_later_sync_bring_new_changed_and_sibling_rows(
    sql_server: SqlServer, dataset: Postgres
) -> None:
    sql_server.execute(
        TABLE,
        "INSERT INTO orders VALUES (1, N'a', '2024-01-01 00:00:00.000001'),"
        " (2, N'b', '2024-01-01 00:00:00.000002'), (3, N'never', NULL)",
    )
    shop = _shop(sql_server, dataset)
    assert counts(shop.sync()) == (3, 3, 0)
    assert decode(shop.watermarks["orders"]) == datetime(2024, 1, 1, 0, 0, 0, 2)  # noqa: DTZ001
    sql_server.execute(
        "UPDATE orders SET name = N'A', changed = '2024-02-01' WHERE id = 1",
        "INSERT INTO orders VALUES (4, N'sibling', '2024-01-01 00:00:00.000002')",
    )
    assert counts(shop.sync()) == (4, 1, 1)
    assert shop.loaded("id, name") == [(1, "A"), (2, "b"), (3, "never"), (4, "sibling")]


def test_a_rowversion_is_a_cursor(sql_server: SqlServer, dataset: Postgres) -> None:
    sql_server.execute(
        "CREATE TABLE orders (id int NOT NULL PRIMARY KEY, name nvarchar(9), version rowversion)",
        "INSERT INTO orders (id, name) VALUES (1, N'a'), (2, N'b')",
    )
    shop = _shop(sql_server, dataset, cursor="version")
    assert counts(shop.sync()) == (2, 2, 0)
    sql_server.execute("INSERT INTO orders (id, name) VALUES (3, N'c')")
    assert counts(shop.sync()) == (2, 1, 0)
    assert shop.loaded("id, version") == [(1, 2001), (2, 2002), (3, 2003)]


@pytest.mark.parametrize("is_sliced", [False, True])
@pytest.mark.usefixtures("small_pages")
def test_a_rowversion_that_is_committed_late_is_not_passed_by(
    sql_server: SqlServer, dataset: Postgres, *, is_sliced: bool
) -> None:
    sql_server.execute(
        "CREATE TABLE orders (id int NOT NULL PRIMARY KEY, version rowversion)",
        "INSERT INTO orders (id) VALUES (1)",
    )
    late = sql_server.store.open_version()
    sql_server.execute(*(f"INSERT INTO orders (id) VALUES ({number})" for number in range(3, 9)))
    shop = _shop(sql_server, dataset, cursor="version")
    sync = shop.sync_in_slices if is_sliced else shop.sync
    sync()
    assert shop.loaded("id, version") == [(1, late - 1)]
    assert decode(shop.watermarks["orders"]) == late - 1
    sql_server.store.duck(f"INSERT INTO orders VALUES (2, unhex(printf('%016x', {late})))")
    sql_server.store.close_version(late)
    sync()
    assert [row[0] for row in shop.loaded("id, version")] == list(range(1, 9))


def test_up_to_where_rowversions_are_whole_is_asked_before_the_rows_are(
    sql_server: SqlServer, dataset: Postgres
) -> None:
    sql_server.execute(
        "CREATE TABLE orders (id int NOT NULL PRIMARY KEY, version rowversion)",
        "INSERT INTO orders (id) VALUES (1)",
    )
    _shop(sql_server, dataset, cursor="version").sync()
    *_, asked, _without_version, read = sql_server.statements
    assert "min_active_rowversion()" in asked
    assert "min_active_rowversion()" not in read
    assert "orders.version < CAST(" in read


def test_a_full_refresh_has_rows_of_every_rowversion(
    sql_server: SqlServer, dataset: Postgres
) -> None:
    sql_server.execute("CREATE TABLE orders (id int NOT NULL PRIMARY KEY, version rowversion)")
    sql_server.store.open_version()
    sql_server.execute("INSERT INTO orders (id) VALUES (1)")
    shop = _shop(sql_server, dataset, cursor="version", sync_mode="full_refresh")
    assert counts(shop.sync()) == (1, 1, 0)


def test_a_full_refresh_forgets_what_the_table_has_no_more(
    sql_server: SqlServer, dataset: Postgres
) -> None:
    sql_server.execute(TABLE, "INSERT INTO orders VALUES (1, N'a', NULL), (2, N'b', NULL)")
    shop = _shop(sql_server, dataset, sync_mode="full_refresh")
    shop.sync()
    sql_server.execute("DELETE FROM orders WHERE id = 1")
    shop.sync()
    assert shop.loaded("id, name") == [(2, "b")]


@pytest.mark.usefixtures("small_pages")
def test_slices_bring_what_one_piece_brings(sql_server: SqlServer, dataset: Postgres) -> None:
    sql_server.execute(TABLE)
    sql_server.store.duck(
        "INSERT INTO orders SELECT i, 'n', timestamp '2024-01-01' + to_microseconds(i // 2)"
        " FROM range(1, 11) r(i)"
    )
    shop = _shop(sql_server, dataset)
    results = shop.sync_in_slices()
    assert len(results) > 2
    assert [row[0] for row in shop.loaded("id, name")] == list(range(1, 11))


def test_every_value_arrives_exactly(sql_server: SqlServer, dataset: Postgres) -> None:
    sql_server.execute(
        "CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY, n decimal(38,10), paid money,"
        " tip smallmoney, ratio float, size real, flag bit, tiny tinyint, at datetime,"
        " soon smalldatetime, fine datetime2, instant datetimeoffset, day date, span time,"
        " ref uniqueidentifier, code char(5), name nvarchar(max), old ntext, doc xml,"
        " bytes varbinary(max), picture image)",
        "INSERT INTO orders VALUES (9223372036854775807, 1234567890123456789012345678.0123456789,"
        " -922337203685477.5808, 214748.3647, 0.1, 0.1, 1, 255, '2024-02-29 23:59:59.997',"
        " '2024-02-29 12:34:00', '2024-03-31 02:30:00.1234567',"
        " '2024-03-31 02:30:00.123456+02:00', '2024-02-29', '23:59:59.999999',"
        " '6F9619FF-8B86-D011-B42D-00C04FC964FF', 'ab', N'æøå ''quoted'' %s \\ 😀', N'old',"
        " '<a b=\"1\"/>', 0x00FF27, 0x01)",
        "INSERT INTO orders (id, name, bytes) VALUES (1, N'', CAST('' AS varbinary(max)))",
    )
    shop = _shop(sql_server, dataset, cursor=None)
    shop.sync()
    columns = (
        "id, n, paid, tip, ratio, size, flag, tiny, at, soon, fine, instant, day, span, ref, code,"
        " name, old, doc"
    )
    nothing, full = shop.loaded(columns)
    assert nothing == (1, *[None] * 15, "", None, None)
    assert full == (
        9223372036854775807,
        Decimal("1234567890123456789012345678.0123456789"),
        Decimal("-922337203685477.5808"),
        Decimal("214748.3647"),
        0.1,
        0.1,
        True,
        255,
        datetime(2024, 2, 29, 23, 59, 59, 997000),  # noqa: DTZ001 (columns without a zone)
        datetime(2024, 2, 29, 12, 34),  # noqa: DTZ001
        datetime(2024, 3, 31, 2, 30, 0, 123456),  # noqa: DTZ001 (the seventh digit is cut off)
        datetime(2024, 3, 31, 0, 30, 0, 123456, tzinfo=UTC),
        date(2024, 2, 29),
        time(23, 59, 59, 999999),
        "6F9619FF-8B86-D011-B42D-00C04FC964FF",
        "ab   ",
        "æøå 'quoted' %s \\ 😀",
        "old",
        '<a b="1"/>',
    )
    assert [bytes(row[1]) for row in shop.loaded("id, bytes")] == [b"", b"\x00\xff'"]
    assert [row[1] and bytes(row[1]) for row in shop.loaded("id, picture")] == [None, b"\x01"]


def test_types_that_a_dataset_does_not_know_arrive_as_text(
    sql_server: SqlServer, dataset: Postgres
) -> None:
    sql_server.execute(
        "CREATE TABLE orders (id int NOT NULL PRIMARY KEY, place geography, level hierarchyid,"
        " any_of sql_variant)",
        "INSERT INTO orders VALUES (1, 'POINT (10.75 59.91)', '/1/2/', 7),"
        " (2, NULL, NULL, NULL), (3, NULL, NULL, 'text'), (4, NULL, NULL, 0.5)",
    )
    shop = _shop(sql_server, dataset, cursor=None)
    shop.sync()
    assert shop.loaded("id, place, level, any_of") == [
        (1, "POINT (10.75 59.91)", "/1/2/", "7"),
        (2, None, None, None),
        (3, None, None, "text"),
        (4, None, None, "0.5"),
    ]


def test_a_text_with_a_nul_character_is_rejected_and_its_neighbours_land(
    sql_server: SqlServer, dataset: Postgres
) -> None:
    sql_server.execute(TABLE, "INSERT INTO orders VALUES (1, N'a', NULL), (2, N'x\0y', NULL)")
    result = _shop(sql_server, dataset).sync()
    assert (result.records_processed, result.records_failed) == (2, 1)


def test_names_that_need_quoting_are_quoted(sql_server: SqlServer, dataset: Postgres) -> None:
    sql_server.execute(
        "CREATE TABLE [order % lines] ([the id] int NOT NULL PRIMARY KEY, [100%] int)",
        "INSERT INTO [order % lines] VALUES (1, 2)",
    )
    stream = {"table": "order % lines", "primary_key": ["the id"], "cursor": "100%"}
    shop = Shop({"url": sql_server.url, "password": PASSWORD, "streams": [stream]}, dataset)
    assert counts(shop.sync()) == (1, 1, 0)
    assert counts(shop.sync()) == (1, 0, 0)


def test_a_missing_table_is_a_permanent_error(sql_server: SqlServer, dataset: Postgres) -> None:
    with pytest.raises(PermanentError, match="no such table") as failed:
        _shop(sql_server, dataset).sync()
    assert failed.value.code == "configuration"
