"""A source column that changes its type never changes a value in the dataset."""

import logging
from decimal import Decimal

import pytest

from shared.errors import PermanentError
from tests.connectors.databases import DATASET, PASSWORD, MariaDb, Postgres, Shop, counts, orders


def synced_once(source: Postgres, dataset: Postgres, kind: str, value: str) -> Shop:
    """Return a connector whose table has brought one row, with this value of this type."""
    source.execute(
        f"CREATE TABLE orders (id int PRIMARY KEY, changed int, v {kind})",
        f"INSERT INTO orders VALUES (1, 1, {value})",
    )
    shop = Shop(orders(source.url), dataset)
    assert counts(shop.sync()) == (1, 1, 0)
    return shop


def changed_to(source: Postgres, kind: str, value: str) -> None:
    """Give the source's column another type, and a newer row with a value of it."""
    source.execute(
        "ALTER TABLE orders DROP v",
        f"ALTER TABLE orders ADD v {kind}",
        f"INSERT INTO orders VALUES (2, 2, {value})",
        "DELETE FROM orders WHERE id = 1",
    )


def type_of(dataset: Postgres, column: str = "v") -> str:
    ((kind,),) = dataset.rows(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
        f" WHERE attrelid = '{DATASET}.orders'::regclass AND attname = '{column}'"
    )
    return kind


@pytest.mark.parametrize(
    ("before", "old", "after", "new", "kind"),
    [
        ("int", "7", "numeric", "1.5", "numeric"),
        ("int", "7", "numeric(10,2)", "1.25", "numeric(21,2)"),
        ("int", "7", "bigint", "9223372036854775807", "bigint"),
        ("bigint", "9223372036854775807", "int", "8", "bigint"),
        ("bigint", "7", "numeric(20,0)", "18446744073709551615", "numeric(20,0)"),
        ("numeric(10,2)", "1.25", "numeric(10,4)", "1.2345", "numeric(12,4)"),
        ("numeric(10,2)", "99999999.99", "numeric(10,4)", "0.0001", "numeric(12,4)"),
        ("numeric(10,2)", "1.25", "numeric", "1.23456789", "numeric"),
        ("numeric(10,2)", "1.25", "int", "2147483647", "numeric(21,2)"),
        ("numeric", "1.5", "int", "2", "numeric"),
        ("real", "0.5", "double precision", "0.1", "double precision"),
    ],
)
def test_numbers_stay_exact_and_the_rows_of_before_keep_theirs(
    source: Postgres,
    dataset: Postgres,
    before: str,
    old: str,
    after: str,
    new: str,
    kind: str,
) -> None:
    shop = synced_once(source, dataset, before, old)
    changed_to(source, after, new)
    assert counts(shop.sync()) == (1, 1, 0)
    landed = [Decimal(value) for (value,) in dataset.rows(f"SELECT v::text FROM {DATASET}.orders")]
    assert sorted(landed) == sorted([Decimal(old), Decimal(new)])
    assert type_of(dataset) == kind
    assert counts(shop.sync()) == (1, 0, 0)


@pytest.mark.parametrize(
    ("before", "old", "after", "new", "landed"),
    [
        ("varchar(3)", "'abc'", "text", "'abcdef'", "abcdef"),
        ("text", "'abc'", "varchar(3)", "'x'", "x"),
        ("text", "'abc'", "int", "7", "7"),
        ("text", "'abc'", "numeric(10,2)", "1.50", "1.50"),
        ("text", "'abc'", "bool", "true", "true"),
        ("text", "'abc'", "jsonb", "'[1.10]'", "[1.10]"),
        ("timestamp(0)", "'2024-01-01'", "timestamp", "'2024-01-01 00:00:00.000001'", None),
    ],
)
def test_a_column_that_holds_the_new_type_takes_it_without_a_change(
    source: Postgres,
    dataset: Postgres,
    before: str,
    old: str,
    after: str,
    new: str,
    landed: str | None,
) -> None:
    shop = synced_once(source, dataset, before, old)
    kind = type_of(dataset)
    changed_to(source, after, new)
    assert counts(shop.sync()) == (1, 1, 0)
    assert type_of(dataset) == kind
    texts = dataset.rows(f"SELECT v::text FROM {DATASET}.orders ORDER BY id")
    assert texts[1] == (landed or new.strip("'"),)


@pytest.mark.parametrize(
    ("before", "old", "after", "new", "variant", "kind"),
    [
        ("int", "7", "text", "'7'", "v__v_text", "character varying"),
        ("int", "7", "float8", "1.5", "v__v_double", "double precision"),
        ("float8", "0.1", "numeric(5,2)", "0.10", "v__v_decimal", "numeric(5,2)"),
        ("bool", "true", "int", "5", "v__v_bigint", "bigint"),
        ("jsonb", "'{}'", "text", "'{}'", "v__v_text", "character varying"),
        ("bytea", r"'\x00'", "bool", "true", "v__v_bool", "boolean"),
        ("text", "'a'", "date", "'2024-01-01'", "v__v_date", "date"),
        ("text", "'a'", "bytea", r"'\x00'", "v__v_binary", "bytea"),
        ("int", "7", "jsonb", "'[1.10]'", "v__v_json", "jsonb"),
        ("int", "7", "time", "'10:00:00'", "v__v_time", "time without time zone"),
        (
            "timestamptz",
            "'2024-01-01 10:00+00'",
            "timestamp",
            "'2024-01-01 10:00:00'",
            "v__v_timestamp",
            "timestamp without time zone",
        ),
    ],
)
def test_a_type_that_the_column_cannot_take_lands_beside_it(
    source: Postgres,
    dataset: Postgres,
    before: str,
    old: str,
    after: str,
    new: str,
    variant: str,
    kind: str,
) -> None:
    shop = synced_once(source, dataset, before, old)
    rows, kind_before = shop.loaded("id, v::text"), type_of(dataset)
    changed_to(source, after, new)
    assert counts(shop.sync()) == (1, 1, 0)
    assert shop.loaded(f"id, v::text, {variant}::text") == [
        (*rows[0], None),
        (2, None, new.strip("'")),
    ]
    assert (type_of(dataset), type_of(dataset, variant)) == (kind_before, kind)
    assert counts(shop.sync()) == (1, 0, 0)


def test_rows_follow_a_type_that_goes_back_and_forth_when_they_are_read_again(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced_once(source, dataset, "int", "7")
    source.execute("INSERT INTO orders VALUES (2, 2, 8)")
    shop.sync()
    source.execute("ALTER TABLE orders ALTER v TYPE text", "INSERT INTO orders VALUES (3, 3, 'x')")
    assert counts(shop.sync()) == (2, 1, 1)
    columns = "id, v, v__v_text"
    assert shop.loaded(columns) == [(1, 7, None), (2, None, "8"), (3, None, "x")]
    source.execute(
        "UPDATE orders SET v = NULL, changed = 4 WHERE id = 3",
        "UPDATE orders SET v = '9', changed = 5 WHERE id = 1",
        "ALTER TABLE orders ALTER v TYPE int USING v::int",
    )
    assert counts(shop.sync()) == (2, 0, 2)
    assert shop.loaded(columns) == [(1, 9, None), (2, None, "8"), (3, None, None)]
    assert counts(shop.sync()) == (1, 0, 0)


def test_a_variant_grows_as_any_column(source: Postgres, dataset: Postgres) -> None:
    shop = synced_once(source, dataset, "date", "'2024-01-01'")
    changed_to(source, "numeric(5,2)", "1.25")
    shop.sync()
    source.execute(
        "ALTER TABLE orders ALTER v TYPE numeric", "INSERT INTO orders VALUES (3, 3, 0.001)"
    )
    assert counts(shop.sync()) == (2, 1, 0)
    landed = dataset.rows(f"SELECT v__v_decimal FROM {DATASET}.orders ORDER BY id")
    assert landed == [(None,), (Decimal("1.25"),), (Decimal("0.001"),)]
    assert type_of(dataset, "v__v_decimal") == "numeric"


def test_a_person_may_give_the_variant_the_name_of_the_old_column(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced_once(source, dataset, "int", "7")
    changed_to(source, "text", "'seven'")
    shop.sync()
    dataset.execute(
        f"ALTER TABLE {DATASET}.orders RENAME v TO v_as_number",
        f"ALTER TABLE {DATASET}.orders RENAME v__v_text TO v",
    )
    source.execute("INSERT INTO orders VALUES (3, 3, 'three')")
    assert counts(shop.sync()) == (2, 1, 0)
    assert shop.loaded("id, v_as_number, v") == [
        (1, 7, None),
        (2, None, "seven"),
        (3, None, "three"),
    ]


def test_a_key_that_changes_its_type_ends_the_run_and_says_what_to_do(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced_once(source, dataset, "int", "7")
    source.execute("ALTER TABLE orders ALTER id TYPE text")
    with pytest.raises(PermanentError, match=r"orders\.id is bigint there, .* new connector"):
        shop.sync()
    assert shop.loaded("id, v") == [(1, 7)]


def test_a_type_that_comes_back_finds_what_was_widened(source: Postgres, dataset: Postgres) -> None:
    shop = synced_once(source, dataset, "int", "7")
    source.execute("ALTER TABLE orders ALTER v TYPE numeric(10,2)")
    source.execute("INSERT INTO orders VALUES (2, 2, 1.25)")
    shop.sync()
    source.execute("UPDATE orders SET v = 9, changed = 3 WHERE id = 2")
    source.execute("ALTER TABLE orders ALTER v TYPE int")
    assert counts(shop.sync()) == (1, 0, 1)
    source.execute("ALTER TABLE orders ALTER v TYPE numeric(10,3)")
    source.execute("INSERT INTO orders VALUES (3, 4, 0.001)")
    shop.sync()
    assert shop.loaded("id, v") == [(1, 7), (2, 9), (3, Decimal("0.001"))]


def test_a_key_and_a_cursor_that_grow_still_find_the_rows_of_before(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced_once(source, dataset, "int", "7")
    source.execute(
        "ALTER TABLE orders ALTER id TYPE numeric(20,0), ALTER changed TYPE numeric(10,3)",
        "UPDATE orders SET v = 8, changed = 1.5",
        "INSERT INTO orders VALUES (18446744073709551615, 1.625, 9)",
    )
    assert counts(shop.sync()) == (2, 1, 1)
    assert shop.loaded("id, v") == [(1, 8), (18446744073709551615, 9)]
    assert shop.watermarks["orders"].value == {"type": "decimal", "value": "1.625"}


def test_a_change_of_the_dataset_is_logged(
    source: Postgres, dataset: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    shop = synced_once(source, dataset, "int", "7")
    changed_to(source, "numeric", "1.5")
    with caplog.at_level(logging.WARNING, "shared.connectors.dataset.postgres"):
        shop.sync()
    fields = [record.__dict__["syncline_fields"] for record in caplog.records]
    assert fields == [
        {
            "event": "dataset_column_changed",
            "table": f'"{DATASET}"."orders"',
            "column": "v",
            "was": "bigint",
            "becomes": "numeric",
            "lands_in": "v",
        }
    ]


def test_what_a_column_that_a_view_uses_cannot_hold_lands_beside_it_for_good(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced_once(source, dataset, "int", "7")
    dataset.execute(f"CREATE VIEW report AS SELECT v FROM {DATASET}.orders")
    changed_to(source, "numeric", "1.5")
    assert counts(shop.sync()) == (1, 1, 0)
    dataset.execute("DROP VIEW report")
    source.execute("INSERT INTO orders VALUES (3, 3, 2.5)")
    assert counts(shop.sync()) == (2, 1, 0)
    assert shop.loaded("id, v, v__v_decimal") == [
        (1, 7, None),
        (2, None, Decimal("1.5")),
        (3, None, Decimal("2.5")),
    ]


def test_staging_tables_that_are_left_or_of_another_shape_do_no_harm(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced_once(source, dataset, "numeric", "1.5")
    for columns in ("id int, changed int, v int", "id int"):
        dataset.execute(f"CREATE TABLE {DATASET}_staging.orders ({columns})")
        source.execute("UPDATE orders SET v = v + 0.25")
        assert counts(shop.sync()) == (1, 0, 1)
    assert shop.loaded("id, v") == [(1, Decimal("2.00"))]


def test_a_view_on_a_staging_table_is_told_as_what_a_person_has_to_mend(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced_once(source, dataset, "int", "7")
    dataset.execute(
        f"CREATE TABLE {DATASET}_staging.orders (v int)",
        f"CREATE VIEW report AS SELECT v FROM {DATASET}_staging.orders",
    )
    with pytest.raises(PermanentError, match=r"not as the last sync left it: .*2BP01") as refused:
        shop.sync()
    assert refused.value.code == "configuration"
    dataset.execute("DROP VIEW report")
    assert counts(shop.sync()) == (1, 0, 0)


def test_a_mariadb_column_that_changes_its_type_stays_exact_too(
    mariadb: MariaDb, dataset: Postgres
) -> None:
    mariadb.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed int, v int)",
        "INSERT INTO orders VALUES (1, 1, 7)",
    )
    shop = Shop(orders(mariadb.url, password=PASSWORD), dataset)
    shop.sync()
    mariadb.execute(
        "ALTER TABLE orders MODIFY v decimal(10,2)", "INSERT INTO orders VALUES (2, 2, 1.25)"
    )
    shop.sync()
    mariadb.execute(
        "DELETE FROM orders WHERE id = 2",  # or MariaDB itself would round it now
        "ALTER TABLE orders MODIFY v bigint unsigned",
        "INSERT INTO orders VALUES (3, 3, 18446744073709551615)",
    )
    shop.sync()
    assert shop.loaded("id, v") == [(1, 7), (2, Decimal("1.25")), (3, 18446744073709551615)]
    assert type_of(dataset) == "numeric(22,2)"
