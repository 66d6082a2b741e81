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
    ("before", "old", "after", "new", "types"),
    [
        ("int", "7", "text", "'7'", "bigint there, and arrives as character varying"),
        ("int", "7", "float8", "1.5", "bigint there, and arrives as double precision"),
        ("float8", "0.1", "numeric", "0.1", "double precision there, and arrives as numeric"),
        ("bool", "true", "int", "5", "boolean there, and arrives as bigint"),
        ("jsonb", "'{}'", "text", "'{}'", "jsonb there, and arrives as character varying"),
        ("bytea", r"'\x00'", "text", "'00'", "bytea there, and arrives as character varying"),
        ("text", "'a'", "date", "'2024-01-01'", "character varying there, and arrives as date"),
        ("date", "'2024-01-01'", "timestamp", "'2024-01-01 10:00'", "date there, and arrives as"),
        ("timestamp", "'2024-01-01'", "timestamptz", "now()", "without time zone there, and"),
        ("timestamptz", "now()", "timestamp", "'2024-01-01'", "with time zone there, and"),
        ("timestamptz", "now()", "date", "'2024-01-01'", "with time zone there, and"),
    ],
)
def test_a_type_that_would_change_values_ends_the_run_and_says_what_to_do(
    source: Postgres, dataset: Postgres, before: str, old: str, after: str, new: str, types: str
) -> None:
    shop = synced_once(source, dataset, before, old)
    rows, kind = shop.loaded("id, v::text"), type_of(dataset)
    changed_to(source, after, new)
    with pytest.raises(PermanentError, match=rf"orders\.v is .*{types}.*Rename") as refused:
        shop.sync()
    assert refused.value.code == "configuration"
    assert (shop.loaded("id, v::text"), type_of(dataset)) == (rows, kind)


def test_a_renamed_column_keeps_its_values_beside_those_of_the_new_type(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced_once(source, dataset, "int", "7")
    changed_to(source, "text", "'seven'")
    with pytest.raises(PermanentError, match="Rename"):
        shop.sync()
    dataset.execute(f"ALTER TABLE {DATASET}.orders RENAME v TO v_as_number")
    assert counts(shop.sync()) == (1, 1, 0)
    assert shop.loaded("id, v_as_number, v") == [(1, 7, None), (2, None, "seven")]


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
    with caplog.at_level(logging.WARNING, "shared.connectors.dataset"):
        shop.sync()
    fields = [record.__dict__["syncline_fields"] for record in caplog.records]
    assert fields == [
        {
            "event": "dataset_column_changed",
            "table": f'"{DATASET}"."orders"',
            "column": "v",
            "was": "bigint",
            "becomes": "numeric",
        }
    ]


def test_a_view_of_the_dataset_that_is_in_the_way_is_told(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced_once(source, dataset, "int", "7")
    dataset.execute(f"CREATE VIEW report AS SELECT v FROM {DATASET}.orders")
    changed_to(source, "numeric", "1.5")
    with pytest.raises(
        PermanentError, match="a view, rule or generated column of the dataset uses"
    ):
        shop.sync()
    dataset.execute("DROP VIEW report")
    assert counts(shop.sync()) == (1, 1, 0)


def test_staging_tables_that_are_gone_or_of_another_shape_do_no_harm(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced_once(source, dataset, "numeric", "1.5")
    for tampering in ("ALTER TABLE {} ALTER v TYPE int", "ALTER TABLE {} DROP v", "DROP TABLE {}"):
        dataset.execute(tampering.format(f"{DATASET}_staging.orders"))
        source.execute("UPDATE orders SET v = v + 0.25")
        assert counts(shop.sync()) == (1, 0, 1)
    assert shop.loaded("id, v") == [(1, Decimal("2.25"))]


def test_a_view_on_a_staging_table_is_told_as_what_a_person_has_to_mend(
    source: Postgres, dataset: Postgres
) -> None:
    shop = synced_once(source, dataset, "int", "7")
    dataset.execute(f"CREATE VIEW report AS SELECT v FROM {DATASET}_staging.orders")
    with pytest.raises(PermanentError, match=r"not as the last sync left it .*2BP01") as refused:
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
