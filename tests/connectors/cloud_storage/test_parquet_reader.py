"""Each value of a Parquet file lands as its type says, in pages that are no larger than others."""

import io
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from shared.connectors.cloud_storage.landing import Kind
from shared.connectors.cloud_storage.records import PAGE_BYTES, Place
from shared.errors import PermanentError
from tests.connectors.cloud_storage.drop import Folder
from tests.connectors.cloud_storage.readings import reading


def _file(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


_AT = datetime(2024, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
_LOCAL = _AT.replace(tzinfo=None)
_COLUMNS: list[tuple[pa.DataType, Any, Kind, Any]] = [
    (pa.bool_(), True, Kind.BOOL, True),
    (pa.int8(), -7, Kind.BIGINT, -7),
    (pa.int64(), 2**63 - 1, Kind.BIGINT, 2**63 - 1),
    (pa.uint64(), 2**64 - 1, Kind.NUMERIC, 2**64 - 1),
    (pa.float64(), 0.1, Kind.DOUBLE, 0.1),
    (pa.float32(), 0.5, Kind.DOUBLE, 0.5),
    (pa.decimal128(38, 10), Decimal("0.0000000001"), Kind.NUMERIC, Decimal("0.0000000001")),
    (pa.string(), "æøå", Kind.TEXT, "æøå"),
    (pa.large_string(), "long", Kind.TEXT, "long"),
    (pa.binary(), b"\x00\xff", Kind.BINARY, b"\x00\xff"),
    (pa.date32(), date(2024, 2, 29), Kind.DATE, date(2024, 2, 29)),
    (pa.time64("us"), time(1, 2, 3, 4), Kind.TIME, time(1, 2, 3, 4)),
    (pa.timestamp("us", "UTC"), _AT, Kind.TIMESTAMP, _AT),
    (pa.timestamp("us", "Europe/Oslo"), _AT, Kind.TIMESTAMP, _AT),
    (pa.timestamp("us"), _LOCAL, Kind.DATETIME, _LOCAL),
    (pa.timestamp("ns"), _LOCAL, Kind.DATETIME, _LOCAL),
    (pa.duration("us"), timedelta(seconds=90), Kind.TEXT, "0:01:30"),
    (pa.list_(pa.int32()), [1, None], Kind.JSON, [1, None]),
    (
        pa.struct([("a", pa.date32()), ("b", pa.decimal128(5, 2))]),
        {"a": date(2024, 1, 1), "b": Decimal("1.50")},
        Kind.JSON,
        {"a": "2024-01-01", "b": Decimal("1.50")},
    ),
    (pa.dictionary(pa.int32(), pa.string()), "coded", Kind.TEXT, "coded"),
    (pa.null(), None, Kind.TEXT, None),
]


@pytest.mark.parametrize(("kind", "given", "lands_as", "value"), _COLUMNS)
def test_a_value_is_read_as_its_type_says(
    folder: Folder, kind: pa.DataType, given: Any, lands_as: Kind, value: Any
) -> None:
    content = _file(pa.table({"a": pa.array([given, None], kind)}))
    found = reading(folder, "a.parquet", content)
    assert found.reader.kinds() == {"a": lands_as}
    assert found.rows() == [(value, 1), (None, 2)]


def test_a_time_that_is_too_fine_keeps_its_record_out(folder: Folder) -> None:
    content = _file(pa.table({"a": pa.array([1_000, 1_001, 2_000], pa.timestamp("ns"))}))
    found = reading(folder, "a.parquet", content)
    assert [record["_row"] for record in found.records()] == [1, 3]
    assert found.broken() == ["too_fine"]


def test_reading_goes_on_behind_any_row(folder: Folder, small_pages: int) -> None:
    content = _file(pa.table({"id": list(range(10))}), row_group_size=4)
    found = reading(folder, "a.parquet", content)
    assert [len(page.records) for page in found.pages()] == [3, 3, 3, 1]
    for row in range(11):
        rest = [record["id"] for record in found.records(Place(row))]
        assert rest == list(range(row, 10))


def test_only_selected_columns_are_read(folder: Folder) -> None:
    content = _file(pa.table({"a": [1], "b": [2]}))
    assert reading(folder, "a.parquet", content, columns=["b"]).rows() == [(2, 1)]
    with pytest.raises(PermanentError, match=r"a\.parquet has no column 'z'"):
        reading(folder, "a.parquet", content, columns=["z"]).reader.kinds()


def test_a_text_that_stands_once_in_the_file_does_not_fill_a_page_many_times(
    folder: Folder,
) -> None:
    large = "x" * 1_000_000
    content = _file(pa.table({"a": [large] * 100}), compression="zstd")
    assert len(content) < PAGE_BYTES
    found = reading(folder, "a.parquet", content)
    sizes = [len(page.records) for page in found.pages()]
    assert sum(sizes) == 100
    assert max(sizes) <= 9


def _damaged(name: str) -> bytes:
    content = bytearray(_file(pa.table({"a": list(range(5_000))})))
    match name:
        case "no parquet":
            return b"a,b\n1,2\n" * 10
        case "cut":
            return bytes(content[:-20])
        case "footer":
            content[-60:-30] = b"\xff" * 30
        case "footer length":
            content[-8:-4] = (2**31).to_bytes(4, "little")
        case _:
            content[10:2_000] = b"\xff" * 1_990
    return bytes(content)


@pytest.mark.parametrize("name", ["no parquet", "cut", "footer", "footer length", "pages"])
def test_a_damaged_file_fails_by_name(folder: Folder, name: str) -> None:
    found = reading(folder, "in/a.parquet", _damaged(name))
    with pytest.raises(PermanentError, match=r"^in/a\.parquet ") as failed:
        found.records()
    assert failed.value.fault == "schema"


def test_an_empty_file_and_one_without_rows_have_no_records(folder: Folder) -> None:
    assert reading(folder, "a.parquet", b"").rows() == []
    empty = _file(pa.table({"a": pa.array([], pa.int64())}))
    assert reading(folder, "b.parquet", empty).rows() == []
