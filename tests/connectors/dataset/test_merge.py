"""A merge tells what it created and updated, and leaves alone what did not change."""

from dataclasses import replace
from typing import Any

import pytest

from shared.connectors.dataset.landing import Landing, LoadTable
from shared.connectors.dataset.merge import merge_statement
from tests.connectors.databases import Postgres

TABLE = LoadTable("orders", ["id"], "target", "staging")
STAGED = ("id", "name", "seen", "_dlt_load_id")
HOME = Landing({name: name for name in STAGED}, [], [], {})
BESIDE = replace(HOME, columns=HOME.columns | {"name": "new name"}, emptied=["name", "old"])


def _merge(
    dataset: Postgres, *staged: str, landing: Landing = HOME, newest_by: str | None = None
) -> tuple[int, int]:
    statement = merge_statement(replace(TABLE, newest_by=newest_by), landing)
    dataset.execute("TRUNCATE staging", f"INSERT INTO staging VALUES {', '.join(staged)}")
    ((created, updated),) = dataset.rows(statement)
    return created, updated


@pytest.fixture
def tables(dataset: Postgres) -> Postgres:
    columns = "id int, name text, seen jsonb, _dlt_load_id text"
    dataset.execute(
        f"CREATE TABLE staging ({columns})",
        # A type that cannot be compared, and a default that nobody reckons with.
        f"CREATE TABLE target ({columns}, \"new name\" text, old json DEFAULT '1')",
        "CREATE UNIQUE INDEX ON target (id)",
        "INSERT INTO target VALUES (1, 'a', '{}', 'first', NULL, '1'),"
        " (2, NULL, NULL, 'first', NULL, NULL)",
    )
    return dataset


def _target(dataset: Postgres) -> list[tuple[Any, ...]]:
    return dataset.rows("SELECT id, name, _dlt_load_id FROM target ORDER BY id")


def _family(dataset: Postgres) -> list[tuple[Any, ...]]:
    return dataset.rows('SELECT id, name, "new name", old FROM target ORDER BY id')


def test_new_changed_and_unchanged_rows_are_told_apart(tables: Postgres) -> None:
    staged = ("(1, 'b', '{}', 'second')", "(2, NULL, NULL, 'second')", "(3, 'c', '[]', 'second')")
    assert _merge(tables, *staged) == (1, 1)
    assert _target(tables) == [(1, "b", "second"), (2, None, "first"), (3, "c", "second")]


def test_a_value_that_became_null_or_stopped_being_null_is_a_change(tables: Postgres) -> None:
    staged = ("(1, NULL, '{}', 'second')", "(2, 'b', NULL, 'second')")
    assert _merge(tables, *staged) == (0, 2)
    assert _target(tables) == [(1, None, "second"), (2, "b", "second")]


def test_the_greatest_of_several_rows_with_one_key_wins(tables: Postgres) -> None:
    staged = ("(3, 'a', NULL, 's')", "(3, 'b', NULL, 's')", "(3, NULL, NULL, 's')")
    assert _merge(tables, *staged, newest_by="name") == (1, 0)
    assert _target(tables)[2] == (3, "b", "s")


def test_the_greatest_is_told_by_what_was_staged_wherever_it_lands(tables: Postgres) -> None:
    staged = ("(3, 'a', NULL, 's')", "(3, 'b', NULL, 's')", "(3, NULL, NULL, 's')")
    assert _merge(tables, *staged, landing=BESIDE, newest_by="name") == (1, 0)
    assert _family(tables)[2] == (3, None, "b", None)


def test_rows_that_were_not_staged_stay(tables: Postgres) -> None:
    assert _merge(tables, "(9, 'z', NULL, 'second')") == (1, 0)
    assert [row[0] for row in _target(tables)] == [1, 2, 9]


def test_a_written_row_has_its_value_in_one_column_of_a_family_only(tables: Postgres) -> None:
    staged = ("(1, 'a', '{}', 'second')", "(3, 'c', '[]', 'second')")
    assert _merge(tables, *staged, landing=BESIDE) == (1, 1)
    assert _family(tables) == [
        (1, None, "a", None),
        (2, None, None, None),
        (3, None, "c", None),
    ]
    assert _merge(tables, *staged, landing=BESIDE) == (0, 0)


def test_rows_that_are_not_written_keep_what_they_have_in_a_family(tables: Postgres) -> None:
    staged = ("(2, NULL, NULL, 'second')", "(3, NULL, NULL, 'second')")
    assert _merge(tables, *staged, landing=BESIDE) == (1, 0)
    assert _family(tables) == [(1, "a", None, 1), (2, None, None, None), (3, None, None, None)]


def test_a_value_that_became_null_leaves_no_column_of_a_family(tables: Postgres) -> None:
    assert _merge(tables, "(1, NULL, '{}', 'second')", landing=BESIDE) == (0, 1)
    assert _family(tables)[0] == (1, None, None, None)


def test_a_value_that_comes_home_leaves_the_variant(tables: Postgres) -> None:
    _merge(tables, "(1, 'a', '{}', 'second')", landing=BESIDE)
    home = replace(HOME, emptied=["new name", "old"])
    assert _merge(tables, "(1, 'a', '{}', 'third')", landing=home) == (0, 1)
    assert _family(tables)[0] == (1, "a", None, None)
    assert _merge(tables, "(1, 'a', '{}', 'fourth')", landing=home) == (0, 0)


def test_columns_of_dlt_make_no_difference_where_ever_they_land(tables: Postgres) -> None:
    tables.execute("ALTER TABLE target ADD _dlt_load_id__v_text text")
    landing = replace(
        HOME,
        columns=HOME.columns | {"_dlt_load_id": "_dlt_load_id__v_text"},
        emptied=["_dlt_load_id"],
    )
    assert _merge(tables, "(1, 'a', '{}', 'second')", landing=landing) == (0, 0)
    assert _merge(tables, "(1, 'b', '{}', 'second')", landing=landing) == (0, 1)
    found = tables.rows("SELECT _dlt_load_id, _dlt_load_id__v_text FROM target WHERE id = 1")
    assert found == [(None, "second")]


def test_a_table_of_nothing_but_its_key_is_never_updated(tables: Postgres) -> None:
    landing = replace(HOME, columns={"id": "id", "_dlt_load_id": "_dlt_load_id"})
    staged = ("(1, 'b', NULL, 'second')", "(4, 'd', NULL, 'second')")
    assert _merge(tables, *staged, landing=landing) == (1, 0)


def test_names_of_any_kind_are_merged(dataset: Postgres) -> None:
    table = LoadTable("orders", ['the "key"'], "target", "staging")
    dataset.execute(
        'CREATE TABLE staging ("the ""key""" int, "a\\b" int)',
        'CREATE TABLE target ("the ""key""" int, "a\\b" text, "%s" int)',
        "INSERT INTO staging VALUES (1, 2)",
        'CREATE UNIQUE INDEX ON target ("the ""key""")',
    )
    landing = Landing({'the "key"': 'the "key"', "a\\b": "a\\b"}, ["%s"], [], {})
    assert dataset.rows(merge_statement(table, landing)) == [(1, 0)]
    assert dataset.rows("SELECT * FROM target") == [(1, "2", None)]
