"""A look at a dataset takes a bounded effort, and says what it only estimates."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest

from shared.connectors.dataset import look
from shared.connectors.dataset.look import look_at_dataset
from shared.errors import TransientError
from tests.connectors.databases import DATASET, Postgres
from tests.connectors.gates import wait_until


def _tables(dataset: Postgres, *names: str, rows: int = 3) -> None:
    dataset.execute(
        f"CREATE SCHEMA IF NOT EXISTS {DATASET}",
        *(
            f"CREATE TABLE {DATASET}.{name} AS SELECT n AS id FROM generate_series(1, {rows}) n"
            for name in names
        ),
    )


def _seen(dataset: Postgres) -> list[tuple[str, int | None, bool]]:
    found = look_at_dataset(dataset.dsn, DATASET)
    return [(one.name, one.rows, one.is_estimate) for one in found.tables]


def test_small_tables_are_counted(dataset: Postgres) -> None:
    _tables(dataset, "b", "a")
    assert _seen(dataset) == [("a", 3, False), ("b", 3, False)]


def test_so_many_tables_are_told_and_that_there_are_more(
    dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "MOST_TABLES", 3)
    _tables(dataset, "syncline_rejects", "_dlt_loads", "c", "b", "a")
    found = look_at_dataset(dataset.dsn, DATASET)
    assert ([one.name for one in found.tables], found.is_truncated) == (["a", "b", "c"], False)
    _tables(dataset, "d")
    found = look_at_dataset(dataset.dsn, DATASET)
    assert ([one.name for one in found.tables], found.is_truncated) == (["a", "b", "c"], True)
    assert found.rejects is not None
    assert found.rejects.rows == 3


@pytest.mark.parametrize("limit", ["_COUNTED_ROWS", "_COUNTED_BYTES"])
def test_large_tables_are_estimated(
    dataset: Postgres, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    _tables(dataset, "orders", rows=1_000)
    assert _seen(dataset) == [("orders", 1_000, False)]
    monkeypatch.setattr(look, limit, 900)
    dataset.execute(f"ANALYZE {DATASET}.orders", f"INSERT INTO {DATASET}.orders VALUES (0)")
    assert _seen(dataset) == [("orders", 1_000, True)]


def test_a_large_table_that_was_never_analyzed_has_no_number(
    dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tables(dataset, "orders")
    monkeypatch.setattr(look, "_COUNTED_BYTES", 10)
    assert _seen(dataset) == [("orders", None, True)]


def test_a_table_that_a_load_holds_is_estimated_and_keeps_no_other_from_being_counted(
    dataset: Postgres,
) -> None:
    _tables(dataset, "held", "other")
    dataset.execute(f"ANALYZE {DATASET}.held")
    with closing(psycopg2.connect(dataset.dsn)) as load, load.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {DATASET}.held ADD COLUMN name text")
        assert _seen(dataset) == [("held", 3, True), ("other", 3, False)]


def test_a_table_that_is_dropped_while_it_is_looked_at_has_no_size(
    dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "_LONGEST_LOCK", timedelta(seconds=30))
    _tables(dataset, "gone", "other")
    waits = "SELECT FROM pg_locks WHERE NOT granted"
    with closing(psycopg2.connect(dataset.dsn)) as load, load.cursor() as cursor:
        cursor.execute(f"DROP TABLE {DATASET}.gone")
        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(look_at_dataset, dataset.dsn, DATASET)
            wait_until(lambda: bool(dataset.rows(waits)))
            load.commit()
            gone, other = looking.result(timeout=60).tables
    assert (gone.rows, gone.size_bytes) == (None, 0)
    assert (other.rows, other.size_bytes > 0) == (3, True)


def test_all_counts_together_have_a_time(
    dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tables(dataset, "a", "b")
    dataset.execute(f"ANALYZE {DATASET}.a", f"ANALYZE {DATASET}.b")
    listed = look._listed

    def late(*arguments: object) -> object:
        found = listed(*arguments)
        monkeypatch.setattr(look, "_PATIENCE", timedelta(0))
        return found

    monkeypatch.setattr(look, "_listed", late)
    assert _seen(dataset) == [("a", 3, True), ("b", 3, True)]


def test_a_database_that_is_away_is_our_own_trouble() -> None:
    with pytest.raises(TransientError) as raised:
        look_at_dataset("postgresql://u@127.0.0.1:1/d", DATASET)
    assert raised.value.code == "dataset_unavailable"
