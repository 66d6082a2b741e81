"""A PostgreSQL table arrives in the dataset whole, exact, and once."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from shared.connectors.base import Watermark
from shared.connectors.watermarks import decode
from shared.errors import PermanentError
from tests.connectors.databases import DATASET, Postgres, Shop, counts, orders

TABLE = "CREATE TABLE orders (id int PRIMARY KEY, name text, changed timestamptz)"
FIRST = "INSERT INTO orders SELECT n, 'n' || n, '2024-01-01Z'::timestamptz + n * '1 day'::interval"


def test_a_first_sync_brings_every_row_and_the_greatest_cursor_value(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, f"{FIRST} FROM generate_series(1, 3) n")
    shop = Shop(orders(source.url), dataset)
    assert counts(shop.sync()) == (3, 3, 0)
    assert shop.loaded("id, name") == [(1, "n1"), (2, "n2"), (3, "n3")]
    assert decode(shop.watermarks["orders"]) == datetime(2024, 1, 4, tzinfo=UTC)


def test_a_later_sync_reads_from_the_watermark_and_counts_new_and_changed_rows(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, f"{FIRST} FROM generate_series(1, 3) n")
    shop = Shop(orders(source.url), dataset)
    shop.sync()
    source.execute(
        "UPDATE orders SET name = 'changed', changed = '2024-02-01Z' WHERE id = 1",
        "INSERT INTO orders VALUES (4, 'new', '2024-02-02Z')",
    )
    assert counts(shop.sync()) == (3, 1, 1)  # the row at the watermark is read again, unchanged
    assert shop.loaded("id, name") == [(1, "changed"), (2, "n2"), (3, "n3"), (4, "new")]


def test_a_sync_with_nothing_new_changes_nothing(source: Postgres, dataset: Postgres) -> None:
    source.execute(TABLE, f"{FIRST} FROM generate_series(1, 3) n")
    shop = Shop(orders(source.url), dataset)
    shop.sync()
    before = shop.loaded("id, _dlt_load_id, xmin")
    assert counts(shop.sync()) == (1, 0, 0)
    assert shop.loaded("id, _dlt_load_id, xmin") == before


def test_a_sibling_of_the_last_cursor_value_that_comes_later_is_not_lost(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, "INSERT INTO orders VALUES (1, 'a', '2024-01-01Z')")
    shop = Shop(orders(source.url), dataset)
    shop.sync()
    source.execute("INSERT INTO orders VALUES (2, 'b', '2024-01-01Z')")
    assert counts(shop.sync()) == (2, 1, 0)
    assert shop.loaded("id, name") == [(1, "a"), (2, "b")]


def test_rows_without_a_cursor_value_come_with_every_sync_and_are_counted(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, "INSERT INTO orders VALUES (1, 'a', '2024-01-01Z'), (2, 'b', NULL)")
    shop = Shop(orders(source.url), dataset)
    assert shop.sync().metadata["records_without_cursor"] == 1
    source.execute("INSERT INTO orders VALUES (3, 'c', NULL)")
    result = shop.sync()
    assert (counts(result), result.metadata["records_without_cursor"]) == ((3, 1, 0), 2)
    assert shop.loaded("id, name") == [(1, "a"), (2, "b"), (3, "c")]


def test_without_a_cursor_every_sync_reads_the_whole_table(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, f"{FIRST} FROM generate_series(1, 3) n")
    shop = Shop(orders(source.url, cursor=None), dataset)
    shop.sync()
    source.execute("UPDATE orders SET name = 'changed' WHERE id = 2")
    result = shop.sync()
    assert (counts(result), result.watermarks) == ((3, 0, 1), ())


def test_a_composite_key_tells_rows_apart(source: Postgres, dataset: Postgres) -> None:
    source.execute(
        "CREATE TABLE orders (shop int, id int, changed int, PRIMARY KEY (shop, id))",
        "INSERT INTO orders VALUES (1, 1, 1), (1, 2, 1), (2, 1, 1)",
    )
    shop = Shop(orders(source.url, primary_key=["shop", "id"]), dataset)
    assert counts(shop.sync()) == (3, 3, 0)
    source.execute("UPDATE orders SET changed = 2 WHERE shop = 2")
    assert counts(shop.sync()) == (3, 0, 1)
    assert shop.loaded("shop, id, changed") == [(1, 1, 1), (1, 2, 1), (2, 1, 2)]


def test_a_table_of_nothing_but_its_key_is_merged(source: Postgres, dataset: Postgres) -> None:
    source.execute("CREATE TABLE orders (id int PRIMARY KEY)", "INSERT INTO orders VALUES (1)")
    shop = Shop(orders(source.url, cursor=None), dataset)
    assert [counts(shop.sync()), counts(shop.sync())] == [(1, 1, 0), (1, 0, 0)]


def test_of_several_rows_with_one_key_the_newest_wins(source: Postgres, dataset: Postgres) -> None:
    source.execute(
        "CREATE TABLE orders (id int, name text, changed int)",
        "INSERT INTO orders VALUES (1, 'new', 2), (1, 'old', 1), (1, 'never', NULL)",
    )
    shop = Shop(orders(source.url), dataset)
    assert counts(shop.sync()) == (3, 1, 0)
    assert shop.loaded("id, name") == [(1, "new")]


def test_an_empty_source_loads_nothing_and_has_no_watermark(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE)
    shop = Shop(orders(source.url), dataset)
    result = shop.sync()
    assert (counts(result), result.watermarks) == ((0, 0, 0), ())
    assert not dataset.has_table(f"{DATASET}.orders")


def test_only_the_columns_that_were_chosen_arrive(source: Postgres, dataset: Postgres) -> None:
    source.execute(TABLE, f"{FIRST} FROM generate_series(1, 1) n")
    shop = Shop(orders(source.url, columns=["changed", "id"]), dataset)
    shop.sync()
    columns = dataset.rows(
        "SELECT column_name FROM information_schema.columns"
        f" WHERE table_schema = '{DATASET}' AND table_name = 'orders'"
        " AND column_name NOT LIKE '\\_dlt%' ORDER BY 1"
    )
    assert columns == [("changed",), ("id",)]


def test_a_view_is_read_like_a_table(source: Postgres, dataset: Postgres) -> None:
    source.execute(
        TABLE,
        f"{FIRST} FROM generate_series(1, 3) n",
        "CREATE VIEW recent AS SELECT * FROM orders WHERE id > 1",
    )
    shop = Shop(orders(source.url, table="recent"), dataset)
    assert counts(shop.sync()) == (2, 2, 0)


def test_a_new_column_of_the_source_appears_in_the_dataset(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, f"{FIRST} FROM generate_series(1, 2) n")
    shop = Shop(orders(source.url), dataset)
    shop.sync()
    source.execute("ALTER TABLE orders ADD size int", "UPDATE orders SET size = 7 WHERE id = 2")
    assert counts(shop.sync()) == (1, 0, 1)
    assert shop.loaded("id, size") == [(1, None), (2, 7)]


def test_several_tables_and_schemas_of_one_connector_keep_their_own_watermarks(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(
        "CREATE SCHEMA sales",
        TABLE,
        'CREATE TABLE sales."Order Lines" ("Id" int PRIMARY KEY, "Changed" date)',
        f"{FIRST} FROM generate_series(1, 2) n",
        "INSERT INTO sales.\"Order Lines\" VALUES (1, '2024-01-01')",
    )
    config = orders(source.url)
    lines = {"table": "Order Lines", "schema": "sales", "cursor": "Changed", "primary_key": ["Id"]}
    shop = Shop(config | {"streams": [*config["streams"], lines]}, dataset)
    result = shop.sync()
    assert result.metadata["streams"] == {"orders": 2, "Order Lines": 1}
    assert decode(shop.watermarks["Order Lines"]) == date(2024, 1, 1)
    assert shop.loaded("id, changed", "order_lines") == [(1, date(2024, 1, 1))]


def test_every_value_arrives_exactly(source: Postgres, dataset: Postgres) -> None:
    source.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE TABLE orders (id bigint PRIMARY KEY, free numeric, money numeric(12,2),"
        " real8 float8, at timestamptz, wall timestamp, day date, clock time, name text,"
        " doc jsonb, bytes bytea, flag bool, uid uuid, list int[], mood mood, span interval,"
        " ip inet)",
        "INSERT INTO orders VALUES (9223372036854775807, 12345678901234567890.1234567890123456789,"
        " 1.50, 0.1, '2024-03-31 01:30:00.123456+02', '2024-03-31 02:30:00.5', '2024-02-29',"
        " '23:59:59.999999', E'æøå \\'quoted\\' \\\\ \\n \\t 😀', '{\"n\": 1.10,"
        " \"big\": 123456789012345678901}', '\\x00ff27', true,"
        " 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{1,NULL}', 'ok', '1 day 02:03', '10.0.0.1')",
        "INSERT INTO orders (id, free, real8, name, doc, bytes)"
        " VALUES (2, 'NaN', 'Infinity', '', 'null', '')",
        "INSERT INTO orders (id) VALUES (1)",
    )
    shop = Shop(orders(source.url, cursor=None), dataset)
    shop.sync()
    columns = (
        "id, free, money, real8, at, wall, day, clock, name, doc::text, bytes, flag, uid,"
        " list::text, mood, span, ip"
    )
    nothing, odd, full = shop.loaded(columns)
    assert nothing == (1, *[None] * 16)
    assert (str(odd[1]), odd[3], odd[8], odd[9]) == ("NaN", float("inf"), "", "null")
    assert bytes(odd[10]) == b""
    assert bytes(full[10]) == b"\x00\xff'"
    assert full[:10] == (
        9223372036854775807,
        Decimal("12345678901234567890.1234567890123456789"),
        Decimal("1.50"),
        0.1,
        datetime(2024, 3, 30, 23, 30, 0, 123456, tzinfo=UTC),
        datetime(2024, 3, 31, 2, 30, 0, 500000),  # noqa: DTZ001 (a column without a zone)
        date(2024, 2, 29),
        time(23, 59, 59, 999999),
        "æøå 'quoted' \\ \n \t 😀",
        '{"n": 1.10, "big": 123456789012345678901}',
    )
    assert full[11:] == (
        True,
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "[1, null]",
        "ok",
        "1 day 02:03:00",
        "10.0.0.1/32",
    )


@pytest.mark.parametrize(
    ("kind", "older", "newer"),
    [
        ("int", "1", "2"),
        ("numeric", "1.000000000000000000001", "1.000000000000000000002"),
        ("float8", "0.1", "0.2"),
        ("text", "a", "b"),
        ("date", "2024-01-01", "2024-01-02"),
        ("timestamp", "2024-01-01 00:00:00.000001", "2024-01-01 00:00:00.000002"),
        ("timestamptz", "2024-01-01 00:00:00.000001Z", "2024-01-01 00:00:00.000002Z"),
    ],
)
def test_a_cursor_of_any_ordered_type_starts_exactly_at_its_last_value(
    source: Postgres, dataset: Postgres, kind: str, older: str, newer: str
) -> None:
    source.execute(
        f"CREATE TABLE orders (id int PRIMARY KEY, changed {kind})",
        f"INSERT INTO orders VALUES (1, '{older}'), (2, '{newer}')",
    )
    shop = Shop(orders(source.url), dataset)
    assert [counts(shop.sync()), counts(shop.sync())] == [(2, 2, 0), (1, 0, 0)]


@pytest.mark.parametrize("kind", ["jsonb", "bool", "uuid", "real", "time", "bytea", "int[]"])
def test_a_column_without_a_dependable_order_is_refused_as_cursor(
    source: Postgres, dataset: Postgres, kind: str
) -> None:
    source.execute(f"CREATE TABLE orders (id int PRIMARY KEY, changed {kind})")
    with pytest.raises(PermanentError, match=r"orders\.changed cannot be the cursor"):
        Shop(orders(source.url), dataset).sync()


def test_a_watermark_of_another_column_starts_over(source: Postgres, dataset: Postgres) -> None:
    source.execute(TABLE, f"{FIRST} FROM generate_series(1, 3) n")
    shop = Shop(orders(source.url), dataset)
    shop.watermarks["orders"] = Watermark("orders", "id", {"type": "int", "value": "3"})
    assert counts(shop.sync()) == (3, 3, 0)


def test_a_cursor_column_that_changed_its_type_says_to_reset_the_watermark(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE)
    shop = Shop(orders(source.url), dataset)
    shop.watermarks["orders"] = Watermark("orders", "changed", {"type": "int", "value": "3"})
    with pytest.raises(PermanentError, match="has changed its type: reset the watermark"):
        shop.sync()


def test_columns_whose_names_would_fall_together_are_refused(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute('CREATE TABLE orders (id int PRIMARY KEY, changed int, "Id" int)')
    with pytest.raises(PermanentError, match="would share one column"):
        Shop(orders(source.url), dataset).sync()


def _reasons(shop: Shop) -> list[tuple[str, str]]:
    return shop.loaded("reason, detail", "syncline_rejects")


def test_a_row_with_a_null_in_its_primary_key_is_rejected(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(
        "CREATE TABLE orders (id int, changed int)", "INSERT INTO orders VALUES (NULL, 1), (1, 1)"
    )
    shop = Shop(orders(source.url), dataset)
    assert (counts(shop.sync()), _reasons(shop)) == ((2, 1, 0), [("key_missing", "id")])


def test_a_row_whose_key_is_too_long_for_an_index_is_rejected(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(
        "CREATE TABLE orders (id text, changed int)",
        "INSERT INTO orders SELECT string_agg(md5(n::text), ''), 1 FROM generate_series(1, 90) n",
        "INSERT INTO orders VALUES (repeat('x', 2500), 1)",
    )
    shop = Shop(orders(source.url), dataset)
    assert (counts(shop.sync()), _reasons(shop)) == ((2, 1, 0), [("key_too_long", "id")])


def test_json_that_the_source_takes_and_the_dataset_does_not_is_rejected(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, v json, changed int)",
        r"""INSERT INTO orders VALUES (1, '{"x": "\u0000"}', 1), (2, '["\ud800"]', 1),
            (3, '{"x": "\\u0000 \ud83d\ude00"}', 1)""",
    )
    shop = Shop(orders(source.url), dataset)
    assert (counts(shop.sync()), _reasons(shop)) == (
        (3, 1, 0),
        [("invalid_unicode", "v"), ("nul_character", "v")],
    )


def test_a_view_that_cannot_be_computed_is_the_trouble_of_the_source(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute("CREATE VIEW orders AS SELECT n AS id, 1 / n FROM generate_series(0, 1) n")
    with pytest.raises(PermanentError, match="The source database could not compute") as failed:
        Shop(orders(source.url, cursor=None), dataset).sync()
    assert failed.value.code == "configuration"


@pytest.mark.parametrize(
    ("kind", "odd", "plain"),
    [
        ("date", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01"], "2024-02-29"),
        (
            "timestamptz",
            ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "10000-01-01 00:00:00+00"],
            "2024-02-29 12:00:00+00",
        ),
        (
            "timestamp",
            ["infinity", "-infinity", "0044-03-15 12:00:00 BC", "10000-01-01 00:00:00"],
            "2024-02-29 12:00:00",
        ),
    ],
)
def test_a_time_that_python_does_not_have_lands_as_its_text_beside_the_others(
    source: Postgres, dataset: Postgres, kind: str, odd: list[str], plain: str
) -> None:
    source.execute(f"CREATE TABLE orders (id int PRIMARY KEY, changed int, at {kind})")
    for number, value in enumerate([plain, *odd, None], start=1):
        written = "NULL" if value is None else f"'{value}'"
        source.execute(f"INSERT INTO orders VALUES ({number}, {number}, {written})")
    shop = Shop(orders(source.url), dataset)
    assert counts(shop.sync()) == (6, 6, 0)
    landed = shop.loaded("id, at::text, at__v_text")
    assert landed == [
        (1, plain, None),
        *((n, None, odd[n - 2]) for n in range(2, 6)),
        (6, None, None),
    ]
    assert counts(shop.sync()) == (1, 0, 0)
    source.execute("UPDATE orders SET at = '2025-01-01', changed = 9 WHERE id = 2")
    shop.sync()
    assert shop.loaded("id, at__v_text")[1] == (2, None)
