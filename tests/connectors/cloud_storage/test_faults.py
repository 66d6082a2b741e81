"""What happens to a file while it is read, and what its records hold, has an outcome for people."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.connectors.base import always_has_time
from shared.connectors.cloud_storage import ranged
from shared.egress.files import FilesRoot
from shared.errors import PermanentError, TransientError
from tests.connectors.cloud_storage.drop import (
    Drop,
    Folder,
    counts,
    metadata,
    rows_csv,
    stream_config,
)
from tests.connectors.databases import DATASET, Postgres, never_has_time


class _Then:
    """Time for everything; what happens, happens between two pages."""

    def __init__(self, *acts: Any) -> None:
        self._acts: Iterator[Any] = iter(acts)

    def __call__(self) -> bool:
        act = next(self._acts, None)
        if act is not None:
            act()
        return True


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged, "BLOCK_BYTES", 64)


def test_a_file_that_changes_while_it_is_read_is_begun_anew_by_the_next_attempt(
    folder: Folder, dataset: Postgres, small_pages: int
) -> None:
    folder.put("a.csv", rows_csv(30), 1)
    drop = folder.drop(dataset)
    with pytest.raises(TransientError, match=r"a\.csv was changed while it was read"):
        drop.sync(_Then(lambda: folder.put("a.csv", rows_csv(20, start=101), 2)))
    drop.sync_run()
    assert drop.loaded("_row, id") == [(number, str(100 + number)) for number in range(1, 21)]


def test_a_file_that_changes_between_two_slices_is_begun_anew(
    folder: Folder, dataset: Postgres, small_pages: int
) -> None:
    folder.put("a.csv", rows_csv(30), 1)
    drop = folder.drop(dataset)
    drop.sync(never_has_time)
    folder.put("a.csv", rows_csv(20, start=101), 2)
    drop.sync_run()
    assert drop.loaded("_row, id") == [(number, str(100 + number)) for number in range(1, 21)]


def test_files_before_one_that_changes_are_not_read_again(
    folder: Folder, dataset: Postgres, small_pages: int
) -> None:
    folder.put("a.csv", rows_csv(2), 1)
    folder.put("b.csv", rows_csv(30), 2)
    drop = folder.drop(dataset)
    nothing = [lambda: None] * 2
    first = drop.sync(_Then(*nothing, lambda: folder.put("b.csv", rows_csv(20, start=101), 3)))
    (failure,) = first.failures
    assert "b.csv was changed while it was read" in str(failure.error)
    assert drop.positions["orders"]["done"][1] == "a.csv"  # pyright: ignore[reportIndexIssue]
    assert sum(result.records_processed for result in drop.sync_run()) == 20


def test_a_file_that_vanishes_while_it_is_read_is_passed_over(
    folder: Folder, dataset: Postgres, small_pages: int
) -> None:
    path = folder.put("a.csv", rows_csv(30), 1)
    folder.put("b.csv", rows_csv(2), 2)
    drop = folder.drop(dataset)
    result = drop.sync(_Then(path.unlink))
    assert metadata(result)["files_gone"] == 1
    assert result.positions is None
    assert [row for row in drop.loaded("_file, _row") if row[0] == "b.csv"] == [
        ("b.csv", 1),
        ("b.csv", 2),
    ]


def test_records_that_cannot_be_read_are_kept_aside_with_the_reason(
    folder: Folder, dataset: Postgres
) -> None:
    folder.put("in/a.csv", b"a,b\n1,2\n1,2,3\nx,\xff\ny,\x00\n3,4\n")
    drop = folder.drop(dataset)
    result = drop.sync()
    assert (counts(result), result.records_failed) == ((5, 2, 0), 3)
    assert drop.loaded("_row, a, b") == [(1, "1", "2"), (5, "3", "4")]
    assert metadata(result)["unreadable_records"] == {
        "orders": {
            "fields": {"count": 1, "first": "in/a.csv, record 2"},
            "encoding": {"count": 1, "first": "in/a.csv, record 3"},
        }
    }
    kept = [record for (record,) in _rejects(dataset)]
    told = [json.loads(record) for record in kept if isinstance(record, str)]
    assert {(one["file"], one["record"], one["problem"]) for one in map(_told, told)} == {
        ("in/a.csv", 2, "The record has more or fewer fields than its header."),
        ("in/a.csv", 3, "The record is not in the encoding of its stream."),
        ("", 4, ""),
    }


def _told(record: Any) -> dict[str, Any]:
    if isinstance(record, str):
        return json.loads(record)
    return {"file": "", "record": record["_row"], "problem": ""}


def _rejects(dataset: Postgres) -> list[tuple[Any, ...]]:
    ((table,),) = dataset.rows(
        "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name)"
        f" FROM information_schema.tables WHERE table_schema = '{DATASET}'"
        " AND table_name LIKE '%reject%'"
    )
    return dataset.rows(f"SELECT record::text FROM {table} ORDER BY 1")


def test_a_broken_stream_of_several_does_not_stop_the_others(
    folder: Folder, dataset: Postgres
) -> None:
    folder.put("good/a.csv", rows_csv(2))
    folder.put("bad/a.parquet", "none")
    streams = [stream_config(name=name, files=[f"{name}/**"]) for name in ("bad", "good")]
    drop = Drop({"url": "file:///", "streams": streams}, dataset, FilesRoot(folder.root))
    result = drop.sync(always_has_time)
    assert counts(result) == (2, 2, 0)
    (failure,) = result.failures
    assert isinstance(failure.error, PermanentError)
    assert str(failure.error).startswith("bad/a.parquet is no whole Parquet file")


def test_a_stream_without_files_is_no_failure(folder: Folder, dataset: Postgres) -> None:
    assert counts(folder.drop(dataset).sync()) == (0, 0, 0)


def test_a_record_of_a_newer_file_wins_whatever_the_order_of_their_names(
    folder: Folder, dataset: Postgres
) -> None:
    folder.put("b.csv", "id,v\n1,old\n", 1)
    folder.put("a.csv", "id,v\n1,new\n", 2)
    drop = folder.drop(dataset, primary_key=["id"])
    drop.sync()
    assert drop.loaded("id, v, _file") == [("1", "new", "a.csv")]


def test_a_new_column_ends_its_slice_and_lands(folder: Folder, dataset: Postgres) -> None:
    folder.put("a.csv", "id,at\n1,2024-01-01T00:00:00Z\n", 1)
    folder.put("b.csv", "id,at,more\n2,2024-01-01T00:00:00Z,0012\n", 2)
    drop = folder.drop(dataset, primary_key=["id"])
    assert len(drop.sync_run()) == 2
    assert drop.loaded("id, at, more") == [
        ("1", "2024-01-01T00:00:00Z", None),
        ("2", "2024-01-01T00:00:00Z", "0012"),
    ]
