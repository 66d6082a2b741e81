"""Files of a folder land in a dataset: new and changed ones, each record once."""

import io
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from shared.errors import PermanentError, SynclineError
from tests.connectors.cloud_storage.drop import (
    NOON,
    Folder,
    counts,
    metadata,
    packed,
    rows_csv,
)
from tests.connectors.databases import Postgres


def test_each_record_lands_with_its_file_its_row_and_when_the_file_changed(
    folder: Folder, dataset: Postgres
) -> None:
    folder.put("a/one.csv", rows_csv(2), 1)
    folder.put("two.csv.gz", packed(rows_csv(1, start=7)), 2)
    drop = folder.drop(dataset)
    result = drop.sync()
    assert counts(result) == (3, 3, 0)
    assert drop.loaded("_file, _row, _file_modified_at, id, name, amount") == [
        ("a/one.csv", 1, NOON + timedelta(minutes=1), "1", "name 1", "1.5"),
        ("a/one.csv", 2, NOON + timedelta(minutes=1), "2", "name 2", "3.0"),
        ("two.csv.gz", 1, NOON + timedelta(minutes=2), "7", "name 7", "10.5"),
    ]
    assert metadata(result)["files_read"] == 2


def test_a_sync_reads_new_and_changed_files_only(folder: Folder, dataset: Postgres) -> None:
    folder.put("one.csv", rows_csv(2), 1)
    folder.put("two.csv", rows_csv(3), 2)
    drop = folder.drop(dataset)
    drop.sync()
    nothing = drop.sync()
    assert counts(nothing) == (0, 0, 0)
    assert metadata(nothing)["files_read"] == 0
    folder.put("two.csv", rows_csv(4), 3)
    folder.put("three.csv", rows_csv(1), 3)
    assert counts(drop.sync()) == (5, 2, 3)  # their time is another
    assert counts(drop.sync()) == (0, 0, 0)


def test_files_without_records_are_opened_once(folder: Folder, dataset: Postgres) -> None:
    folder.put("one.csv", rows_csv(2), 1)
    drop = folder.drop(dataset)
    drop.sync()
    folder.put("empty.csv", "", 2)
    folder.put("header.csv", "id,name,amount\n", 3)
    before = drop.watermarks["orders"].value["value"]
    assert [metadata(drop.sync())["files_read"] for _ in range(2)] == [2, 0]
    assert drop.watermarks["orders"].value["value"] == before


def test_a_file_whose_records_could_not_be_loaded_is_read_again(
    folder: Folder, dataset: Postgres
) -> None:
    folder.put("one.csv", rows_csv(2), 1)
    drop = folder.drop(dataset)
    drop.sync()
    folder.put("two.csv", rows_csv(2), 2)
    dataset.execute("ALTER TABLE dataset_shop.orders ADD CHECK (_file <> 'two.csv')")
    with pytest.raises(SynclineError):
        drop.sync()
    dataset.execute("ALTER TABLE dataset_shop.orders DROP CONSTRAINT orders__file_check")
    assert counts(drop.sync()) == (2, 2, 0)


def test_a_file_that_comes_late_with_an_older_time_is_not_missed(
    folder: Folder, dataset: Postgres
) -> None:
    folder.put("two.csv", rows_csv(1), 60)
    drop = folder.drop(dataset)
    drop.sync()
    before = drop.watermarks["orders"].value["value"]
    folder.put("one.csv", rows_csv(1), 59)
    folder.put("sibling.csv", rows_csv(1), 60)
    assert counts(drop.sync()) == (2, 2, 0)
    assert drop.watermarks["orders"].value["value"] == before
    assert counts(drop.sync()) == (0, 0, 0)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.parquet"])
def test_a_file_is_read_on_where_a_slice_stopped(
    folder: Folder, dataset: Postgres, small_pages: int, name: str
) -> None:
    folder.put(name, _ten(name), 1)
    folder.put(f"later/{name}", _ten(name), 2)
    drop = folder.drop(dataset)
    results = drop.sync_in_slices()
    assert [result.records_processed for result in results][:4] == [3, 3, 3, 1]
    assert sum(result.records_created for result in results) == 20
    assert drop.loaded("_row, id::text", "orders")[::2] == [(n, str(n)) for n in range(1, 11)]
    assert counts(drop.sync()) == (0, 0, 0)


def _ten(name: str) -> bytes:
    if name.endswith(".parquet"):
        buffer = io.BytesIO()
        pq.write_table(pa.table({"id": list(range(1, 11))}), buffer, row_group_size=4)
        return buffer.getvalue()
    if name.endswith(".jsonl"):
        return "".join(f'{{"id": {number}}}\n' for number in range(1, 11)).encode()
    text = rows_csv(10)
    return packed(text) if name.endswith(".gz") else text.encode()


def test_typed_values_land_exactly(folder: Folder, dataset: Postgres) -> None:
    at = datetime(2024, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    given: dict[str, tuple[Any, Any]] = {
        "whole": (pa.int64(), 2**63 - 1),
        "huge": (pa.uint64(), 2**64 - 1),
        "money": (
            pa.decimal256(60, 20),
            Decimal("12345678901234567890123456789.00000000000000000001"),
        ),
        "ratio": (pa.float64(), 0.1),
        "none": (pa.float64(), float("nan")),
        "flag": (pa.bool_(), True),
        "day": (pa.date32(), date(2024, 2, 29)),
        "noon": (pa.time64("us"), time(12, 0, 0, 1)),
        "at": (pa.timestamp("us", "Europe/Oslo"), at),
        "local": (pa.timestamp("us"), at.replace(tzinfo=None)),
        "bytes": (pa.binary(), b"\x00\xff"),
        "text": (pa.string(), "2024-01-01T00:00:00Z"),
        "nested": (pa.list_(pa.decimal128(30, 20)), [Decimal("0.12345678901234567890")]),
    }
    table = pa.table({name: pa.array([value], kind) for name, (kind, value) in given.items()})
    pq.write_table(table, folder.root / "a.parquet")
    drop = folder.drop(dataset)
    drop.sync()
    names = [name for name in given if name not in ("none", "bytes", "nested")]
    (row,) = drop.loaded(", ".join(names))
    assert dict(zip(names, row, strict=True)) == {name: given[name][1] for name in names}
    assert drop.loaded("none::text, bytes::text, nested::text") == [
        ("NaN", "\\x00ff", "[0.12345678901234567890]")
    ]


def test_full_refresh_reads_every_file_and_takes_away_what_is_gone(
    folder: Folder, dataset: Postgres
) -> None:
    folder.put("one.csv", rows_csv(2))
    gone = folder.put("two.csv", rows_csv(2))
    drop = folder.drop(dataset, sync_mode="full_refresh")
    drop.sync()
    gone.unlink()
    drop.sync()
    assert drop.watermarks == {}
    assert drop.loaded("_file, _row") == [("one.csv", 1), ("one.csv", 2)]


def test_files_with_other_columns_and_types_land_beside_each_other(
    folder: Folder, dataset: Postgres
) -> None:
    lines: list[dict[str, Any]] = [
        {"id": 1, "size": 1, "at": "2026-01-01T00:00:00+02:00"},
        {"id": 2, "size": 0.1, "more": {"a": [1, 0.30000000000000004]}},
        {"id": 3, "size": "large"},
    ]
    for number, line in enumerate(lines):
        folder.put(f"{number}.jsonl", json.dumps(line), number)
    drop = folder.drop(dataset)
    drop.sync_run()
    assert drop.loaded("id, at, more") == [
        (1, "2026-01-01T00:00:00+02:00", None),
        (2, None, {"a": [1, 0.30000000000000004]}),
        (3, None, None),
    ]


def test_a_bad_file_fails_its_stream_by_name_and_what_came_before_is_loaded(
    folder: Folder, dataset: Postgres
) -> None:
    folder.put("one.csv", rows_csv(2), 1)
    folder.put("two.parquet", b"nothing of the kind", 2)
    folder.put("three.csv", rows_csv(2), 3)
    drop = folder.drop(dataset)
    first = drop.sync()
    assert counts(first) == (2, 2, 0)
    with pytest.raises(PermanentError, match=r"two\.parquet is no whole Parquet file") as failed:
        drop.sync()
    assert failed.value.fault == "schema"
