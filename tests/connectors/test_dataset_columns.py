"""A table of the dataset gets the columns that a load needs, or says why it cannot."""

from collections.abc import Generator
from contextlib import closing, contextmanager

import psycopg2
import pytest
from psycopg2.errors import LockNotAvailable

from shared.connectors.dataset_columns import (
    ColumnChange,
    LoadTable,
    column_changes,
    fit_columns,
    missing_tables,
)
from shared.connectors.failures import dataset_failure
from shared.errors import PermanentError, TransientError
from tests.connectors.databases import Postgres

TABLE = LoadTable("orders", ["id"], '"target"', '"staging"')


@contextmanager
def in_transaction(dataset: Postgres) -> Generator[psycopg2.extensions.connection]:
    with closing(psycopg2.connect(dataset.dsn)) as connection:
        yield connection
        connection.rollback()


def types(dataset: Postgres) -> list[tuple[str, str]]:
    return dataset.rows(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'target'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )


def test_equal_columns_need_no_change() -> None:
    columns = {"id": "bigint", "v": "numeric(10,2)"}
    assert column_changes(TABLE, columns, columns) == []


def test_columns_that_only_the_dataset_has_are_left_alone() -> None:
    assert column_changes(TABLE, {"id": "bigint", "mine": "text"}, {"id": "bigint"}) == []


def test_a_column_that_is_gone_is_added_and_one_that_is_too_narrow_is_widened() -> None:
    held = {"id": "bigint", "v": "bigint"}
    staged = {"id": "bigint", "v": "numeric", "new": "date"}
    assert column_changes(TABLE, held, staged) == [
        ColumnChange("v", "bigint", "numeric"),
        ColumnChange("new", None, "date"),
    ]


def test_all_that_cannot_be_held_is_told_at_once_with_both_types_and_what_to_do() -> None:
    held = {"id": "bigint", "v": "date", "w": "jsonb"}
    with pytest.raises(PermanentError) as refused:
        column_changes(TABLE, held, {"id": "bigint", "v": "bigint", "w": "bytea"})
    assert refused.value.code == "configuration"
    assert str(refused.value) == (
        "The dataset cannot hold every value exactly: orders.v is date there, and arrives as"
        " bigint; orders.w is jsonb there, and arrives as bytea. Rename the column in the dataset,"
        " and the next sync adds a new one beside it; or leave it out of the connector's columns."
    )


def test_a_key_that_cannot_be_held_wants_a_new_connector() -> None:
    with pytest.raises(PermanentError, match=r"in the primary key: .* with a new connector"):
        column_changes(TABLE, {"id": "bigint"}, {"id": "character varying"})


@pytest.mark.parametrize(
    ("held", "words"),
    [({}, "table orders is gone"), ({"v": "date"}, "has no id, which is in the primary key")],
)
def test_a_table_or_key_that_is_gone_is_not_made_again_for_the_newest_rows_only(
    held: dict[str, str], words: str
) -> None:
    with pytest.raises(PermanentError, match=words):
        column_changes(TABLE, held, {"id": "bigint", "v": "date"})


def test_tables_that_are_missing_are_told_by_name_whatever_it_is(dataset: Postgres) -> None:
    dataset.execute("CREATE SCHEMA shop", 'CREATE TABLE shop."odd ""%s" (id int)')
    qualified = {
        "odd": '"shop"."odd ""%s"',
        "other case": '"shop"."ODD ""%s"',
        "no schema": '"nosuch"."odd"',
    }
    with in_transaction(dataset) as connection:
        assert missing_tables(connection, qualified) == {"other case", "no schema"}
        assert missing_tables(connection, {}) == set()


def test_names_of_any_kind_are_found_and_changed(dataset: Postgres) -> None:
    dataset.execute(
        'CREATE TABLE target (id bigint, "odd ""name" bigint, dropped int)',
        "ALTER TABLE target DROP dropped",
        'CREATE TABLE staging (id bigint, "odd ""name" numeric, "%s" bool)',
    )
    with in_transaction(dataset) as connection:
        changes = fit_columns(connection, TABLE)
        connection.commit()
    assert [change.column for change in changes] == ['odd "name', "%s"]
    assert types(dataset) == [("id", "bigint"), ('odd "name', "numeric"), ("%s", "boolean")]


def test_columns_change_only_with_the_transaction(dataset: Postgres) -> None:
    dataset.execute("CREATE TABLE target (id int)", "CREATE TABLE staging (id bigint)")
    with in_transaction(dataset) as connection:
        assert len(fit_columns(connection, TABLE)) == 1
    assert types(dataset) == [("id", "integer")]


@pytest.mark.parametrize(
    "use",
    [
        "CREATE VIEW report AS SELECT v FROM target",
        "ALTER TABLE target ADD twice bigint GENERATED ALWAYS AS (v * 2) STORED",
    ],
)
def test_what_uses_a_column_that_has_to_change_is_told(dataset: Postgres, use: str) -> None:
    dataset.execute(
        "CREATE TABLE target (id bigint, v bigint)",
        "CREATE TABLE staging (id bigint, v numeric)",
        use,
    )
    with in_transaction(dataset) as connection, pytest.raises(PermanentError) as refused:
        fit_columns(connection, TABLE)
    assert str(refused.value) == (
        "The dataset has to change orders.v from bigint to numeric to hold the source's values,"
        " and a view, rule or generated column of the dataset uses the column: drop it, let a sync"
        " run, and make it again."
    )
    assert refused.value.__cause__ is None


@pytest.fixture
def table_in_use(dataset: Postgres) -> Generator[Postgres]:
    """Return a dataset with a table that has to change while somebody reads it."""
    dataset.execute("CREATE TABLE target (id bigint, v int)", "CREATE TABLE staging (v bigint)")
    with in_transaction(dataset) as reader:
        reader.cursor().execute("LOCK TABLE target IN ACCESS SHARE MODE")
        yield dataset


def test_a_change_that_takes_too_long_is_left_to_a_person(table_in_use: Postgres) -> None:
    with in_transaction(table_in_use) as connection:
        connection.cursor().execute("SET statement_timeout = '1s'")
        with pytest.raises(PermanentError, match=r"from integer to bigint .* change it by hand"):
            fit_columns(connection, TABLE)
    assert types(table_in_use) == [("id", "bigint"), ("v", "integer")]


def test_a_change_that_readers_do_not_let_through_is_tried_again(table_in_use: Postgres) -> None:
    with in_transaction(table_in_use) as connection:
        connection.cursor().execute("SET lock_timeout = '10ms'")
        with pytest.raises(LockNotAvailable) as refused:
            fit_columns(connection, TABLE)
    assert isinstance(dataset_failure(refused.value), TransientError)
