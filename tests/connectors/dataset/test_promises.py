"""What every dataset promises, whichever a deployment chose."""

import json
from math import inf, nan
from typing import Any

import pytest

from shared.connectors.base import SyncResult, Watermark
from shared.errors import PermanentError
from tests.connectors.databases import DATASET, Postgres, counts, never_has_time, orders
from tests.connectors.datasets import AnyShop, NewShop
from tests.connectors.records import Records


def dataset_kinds(shop: AnyShop, *columns: str) -> list[str]:
    """Return PostgreSQL's types of columns of the table orders; both datasets have rows there."""
    rows = shop.dataset.rows(
        "SELECT data_type FROM information_schema.columns"
        f" WHERE table_schema = '{DATASET}' AND table_name = 'orders'"
        f" AND column_name = ANY(ARRAY{list(columns)}) ORDER BY column_name"
    )
    return [kind for (kind,) in rows]


def _deleted(result: SyncResult) -> Any:
    return result.metadata["records_deleted"]


def test_rows_are_created_once_and_updated_only_when_they_changed(
    new_shop: NewShop, source: Postgres
) -> None:
    shop = new_shop()
    assert counts(shop.sync()) == (2, 2, 0)
    source.execute(
        "UPDATE orders SET note = 'TWO', changed = '2026-01-03' WHERE id = 2",
        "INSERT INTO orders VALUES (3, '2026-01-04', 3, NULL)",
    )
    assert counts(shop.sync()) == (2, 1, 1)
    assert counts(shop.sync()) == (1, 0, 0)
    assert [row[:2] for row in shop.loaded("id, note, amount")] == [
        (1, "one"),
        (2, "TWO"),
        (3, None),
    ]


def test_of_two_rows_with_one_key_the_newest_counts(new_shop: NewShop, source: Postgres) -> None:
    source.execute("INSERT INTO orders VALUES (1, '2026-02-01', 9, 'newer'), (1, NULL, 8, 'none')")
    shop = new_shop()
    shop.sync()
    assert shop.loaded("id, note") == [(1, "newer"), (2, "two")]


def test_a_value_that_became_null_is_null(new_shop: NewShop, source: Postgres) -> None:
    shop = new_shop()
    shop.sync()
    source.execute("UPDATE orders SET note = NULL, amount = NULL, changed = '2026-01-05'")
    assert counts(shop.sync()) == (2, 0, 2)
    assert shop.loaded("id, note, amount") == [(1, None, None), (2, None, None)]


def test_a_floating_number_that_is_none_or_infinite_stays_what_it_is(
    new_shop: NewShop, source: Postgres
) -> None:
    source.execute(
        "ALTER TABLE orders ADD ratio float8, ADD share real",
        "INSERT INTO orders (id, ratio, share) VALUES (3, 'NaN', 'NaN'),"
        " (4, 'Infinity', 'Infinity'), (5, '-Infinity', '-Infinity'), (6, 0.1, 1.5),"
        " (7, 1e-308, 0)",
    )
    shop = new_shop(cursor=None)
    shop.sync()
    held = shop.loaded("id, CAST(ratio AS text), CAST(share AS text)")
    assert held == [
        (1, None, None),
        (2, None, None),
        (3, "NaN", "NaN"),
        (4, "Infinity", "Infinity"),
        (5, "-Infinity", "-Infinity"),
        (6, "0.1", "1.5"),
        (7, "1e-308", "0"),
    ]
    kinds = dataset_kinds(shop, "ratio", "share")
    assert kinds == ["double precision", "double precision"]
    assert counts(shop.sync()) == (7, 0, 0)


def test_floating_numbers_of_a_stream_without_types_stay_what_they_are(
    dataset: Postgres, dataset_url: str
) -> None:
    records = Records(dataset, dataset_url=dataset_url)
    pages = [
        [{"id": 1, "late": 0.1, "first": inf, "count": 2**60 + 1}],
        [{"id": 2, "late": nan, "first": 2.5, "count": -inf}, {"id": 3, "late": -inf}],
    ]
    records.load(pages=pages)
    columns = "id, CAST(late AS text), CAST(first AS text), count, count__v_text"
    assert records.rows(columns) == [
        (1, "0.1", "Infinity", 2**60 + 1, None),
        (2, "NaN", "2.5", None, "-Infinity"),
        (3, "-Infinity", None, None, None),
    ]
    assert counts(records.load(pages=pages)) == (3, 0, 0)


def test_a_floating_number_may_be_a_key_also_if_it_is_none(
    source: Postgres, dataset: Postgres, dataset_url: str
) -> None:
    source.execute(
        "CREATE TABLE orders (id float8, note text)",
        "INSERT INTO orders VALUES ('NaN', 'none'), (0.5, 'half')",
    )
    shop = AnyShop(orders(source.url, cursor=None), dataset, dataset_url)
    assert counts(shop.sync()) == (2, 2, 0)
    source.execute("UPDATE orders SET note = 'still none' WHERE id = 'NaN'")
    result = shop.sync()
    assert (counts(result), _deleted(result)) == ((2, 0, 1), 0)
    assert shop.loaded("CAST(id AS text), note") == [("0.5", "half"), ("NaN", "still none")]


def test_json_may_be_a_key(source: Postgres, dataset: Postgres, dataset_url: str) -> None:
    source.execute(
        "CREATE TABLE orders (id jsonb, changed timestamptz, note text)",
        "INSERT INTO orders VALUES ('{\"oid\": 1}', '2026-01-01', 'one'),"
        " ('{\"oid\": 2}', '2026-01-02', 'two')",
    )
    shop = AnyShop(orders(source.url, cursor=None), dataset, dataset_url)
    assert counts(shop.sync()) == (2, 2, 0)
    source.execute("UPDATE orders SET note = 'TWO' WHERE note = 'two'")
    result = shop.sync()
    assert (counts(result), _deleted(result)) == ((2, 0, 1), 0)
    assert shop.loaded("CAST(id AS text), note") == [('{"oid": 1}', "one"), ('{"oid": 2}', "TWO")]


@pytest.mark.parametrize("keys", [('{"b": [1, "é"], "a": 1}', "[1]"), ("1", '"1"')])
def test_json_is_the_key_of_a_rejected_record_too(
    source: Postgres, dataset: Postgres, dataset_url: str, keys: tuple[str, str]
) -> None:
    source.execute(
        "CREATE TABLE orders (id jsonb, note text)",
        *[f"INSERT INTO orders VALUES ('{key}', 'note')" for key in (*keys, '{"c": 1}', "[2]")],
    )
    shop = AnyShop(orders(source.url, cursor=None), dataset, dataset_url)
    shop.sync()
    source.execute(
        "DELETE FROM orders WHERE id = '[2]'",
        f"UPDATE orders SET note = '{chr(0xF026)}' WHERE id = '{keys[0]}'",
    )
    result = shop.sync()
    assert result.records_failed == 1
    left = [json.loads(key) for key, _ in shop.loaded("CAST(id AS text), note")]
    assert all(json.loads(key) in left for key in keys)
    assert _deleted(result) == 4 - len(left)
    if keys[1] == "[1]":
        assert [2] not in left


def test_a_new_column_appears_and_older_rows_have_nothing_in_it(
    new_shop: NewShop, source: Postgres
) -> None:
    shop = new_shop()
    shop.sync()
    source.execute(
        "ALTER TABLE orders ADD colour text",
        "UPDATE orders SET colour = 'red', changed = '2026-01-05' WHERE id = 2",
    )
    result = shop.sync()
    assert shop.loaded("id, colour") == [(1, None), (2, "red")]
    assert result.metadata["schema_changes"][0]["lands_in"] == "colour"  # pyright: ignore[reportIndexIssue]


def test_values_of_another_type_land_beside_the_column_and_those_of_before_stay(
    new_shop: NewShop, source: Postgres
) -> None:
    shop = new_shop()
    shop.sync()
    source.execute(
        "ALTER TABLE orders ALTER amount TYPE text USING 'about ' || amount",
        "UPDATE orders SET changed = '2026-01-05' WHERE id = 2",
    )
    shop.sync()
    landed = [
        (float(a) if a else None, text) for _, a, text in shop.loaded("id, amount, amount__v_text")
    ]
    assert landed == [(1.5, None), (None, "about 2.25")]
    source.execute(
        "ALTER TABLE orders ALTER amount TYPE numeric(10,2) USING 7",
        "UPDATE orders SET changed = '2026-01-06' WHERE id = 2",
    )
    shop.sync()
    assert [(int(a), text) for _, a, text in shop.loaded("id, amount, amount__v_text")] == [
        (1, None),
        (7, None),
    ]


def test_a_wider_number_widens_the_column(new_shop: NewShop, source: Postgres) -> None:
    source.execute("ALTER TABLE orders ADD stock int", "UPDATE orders SET stock = id")
    shop = new_shop()
    shop.sync()
    source.execute(
        "ALTER TABLE orders ALTER stock TYPE numeric",
        "UPDATE orders SET stock = 2.5, changed = '2026-01-05' WHERE id = 2",
    )
    shop.sync()
    assert [float(stock) for _, stock in shop.loaded("id, stock")] == [1.0, 2.5]


def test_a_key_that_cannot_be_held_exactly_ends_the_run(
    new_shop: NewShop, source: Postgres
) -> None:
    shop = new_shop()
    shop.sync()
    source.execute(
        "ALTER TABLE orders ALTER id TYPE text USING 'a' || id",
        "UPDATE orders SET changed = '2026-01-05'",
    )
    with pytest.raises(PermanentError, match=r"cannot hold every value exactly.*primary key"):
        shop.sync()
    assert [row[0] for row in shop.loaded("id, note")] == [1, 2]


def test_a_table_that_somebody_dropped_is_not_made_again_behind_a_watermark(
    new_shop: NewShop, dataset: Postgres, dataset_url: str
) -> None:
    shop = new_shop()
    shop.sync()
    _drop(dataset, dataset_url, "orders")
    with pytest.raises(PermanentError, match="The dataset's table orders is gone"):
        shop.sync()


def test_a_stream_whose_first_run_brought_rejects_alone_gets_its_table_with_the_first_row(
    source: Postgres, dataset: Postgres, dataset_url: str
) -> None:
    source.execute(
        "CREATE TABLE orders (id int, changed timestamptz, note text)",
        f"INSERT INTO orders VALUES (1, '2026-01-01', '{chr(0xF026)}')",
    )
    shop = AnyShop(orders(source.url), dataset, dataset_url)
    first = shop.sync()
    assert (first.records_failed, first.watermarks, first.finished) == (1, (), {"orders": None})
    source.execute("INSERT INTO orders VALUES (2, '2026-01-02', 'ok')")
    result = shop.sync()
    assert (result.records_created, result.finished) == (1, {"orders": "orders"})
    assert shop.loaded("id, note") == [(2, "ok")]


@pytest.mark.parametrize("cursor", ["changed", None])
def test_a_table_is_made_by_the_first_slice_with_a_row_and_by_none_behind_it(
    source: Postgres, dataset: Postgres, dataset_url: str, small_pages: int, cursor: str | None
) -> None:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed timestamptz, note text)",
        "INSERT INTO orders SELECT n, timestamptz '2026-01-01' + n * interval '1 day',"
        f" CASE WHEN n <= {small_pages + 1} THEN '{chr(0xF026)}' ELSE 'ok' END"
        f" FROM generate_series(1, {small_pages * 4}) AS n",
    )
    shop = AnyShop(orders(source.url, cursor=cursor), dataset, dataset_url)
    results = shop.sync_in_slices()
    assert [one.failures for one in results] == [()] * len(results)
    assert len(shop.loaded("id, note")) == small_pages * 3 - 1
    if cursor is None:
        shop.sync(has_time=never_has_time)
        _drop(dataset, dataset_url, "orders")
        with pytest.raises(PermanentError, match="The dataset's table orders is gone"):
            shop.sync_in_slices()


def test_a_watermark_that_a_person_set_first_begins_a_table(
    new_shop: NewShop, dataset: Postgres, dataset_url: str
) -> None:
    shop = new_shop()
    date = {"type": "datetime", "value": "2026-01-02T00:00:00+00:00"}
    shop.watermarks["orders"] = Watermark("orders", "changed", date)
    shop.sync()
    assert shop.loaded("id, note") == [(2, "two")]
    shop.watermarks["orders"] = Watermark("orders", "changed", date)
    _drop(dataset, dataset_url, "orders")
    with pytest.raises(PermanentError, match="The dataset's table orders is gone"):
        shop.sync()


def _drop(dataset: Postgres, dataset_url: str, table: str) -> None:
    dataset.execute(f"DROP TABLE {DATASET}.{table}")
    if dataset_url.startswith("bigquery"):
        dataset.execute(f"DELETE FROM emulator.tables WHERE name = '{table}'")
