"""A merge tells what it created and updated, and leaves alone what did not change."""

from typing import Any

import pytest

from tests.connectors.databases import Postgres

KEY = ['"id"']
OWN = ['"id"', '"name"', '"seen"']
COLUMNS = [*OWN, '"_dlt_load_id"']


def _merge(dataset: Postgres, *staged: str, newest_by: str | None = None) -> tuple[int, int]:
    from shared.connectors.dataset import merge_statement  # noqa: PLC0415 (dlt is slow to import)

    statement = merge_statement(
        target="target",
        staging="staging",
        key=KEY,
        own=OWN,
        columns=COLUMNS,
        newest_by=newest_by,
    )
    dataset.execute("TRUNCATE staging", f"INSERT INTO staging VALUES {', '.join(staged)}")
    ((created, updated),) = dataset.rows(statement)
    return created, updated


@pytest.fixture
def tables(dataset: Postgres) -> Postgres:
    columns = "id int, name text, seen jsonb, _dlt_load_id text"
    dataset.execute(
        f"CREATE TABLE staging ({columns})",
        f"CREATE TABLE target ({columns}, UNIQUE (id))",
        "INSERT INTO target VALUES (1, 'a', '{}', 'first'), (2, NULL, NULL, 'first')",
    )
    return dataset


def _target(dataset: Postgres) -> list[tuple[Any, ...]]:
    return dataset.rows("SELECT id, name, _dlt_load_id FROM target ORDER BY id")


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
    assert _merge(tables, *staged, newest_by='"name"') == (1, 0)
    assert _target(tables)[2] == (3, "b", "s")


def test_rows_that_were_not_staged_stay(tables: Postgres) -> None:
    assert _merge(tables, "(9, 'z', NULL, 'second')") == (1, 0)
    assert [row[0] for row in _target(tables)] == [1, 2, 9]
