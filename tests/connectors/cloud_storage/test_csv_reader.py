"""Each value of a CSV file is the text that stands there, and what is broken harms only itself."""

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.connectors.cloud_storage import csv_reader
from shared.connectors.cloud_storage.records import Place
from shared.connectors.cloud_storage.stream_config import Encoding
from shared.errors import PermanentError
from tests.connectors.cloud_storage.drop import Folder, packed, rows_csv
from tests.connectors.cloud_storage.readings import reading


def test_values_are_the_texts_between_the_delimiters(folder: Folder) -> None:
    text = 'a,b\r\n 007 ,"say ""hi"", all\nof you"\r\n1e3,2024-01-01T00:00:00Z\r\n'
    assert reading(folder, "a.csv", text).rows() == [
        (" 007 ", 'say "hi", all\nof you', 1),
        ("1e3", "2024-01-01T00:00:00Z", 2),
    ]


def test_an_empty_text_stands_for_no_value_unless_the_stream_says_otherwise(folder: Folder) -> None:
    text = 'a,b,c\n,"",NULL\n'
    assert reading(folder, "a.csv", text).rows() == [(None, None, "NULL", 1)]
    none = reading(folder, "a.csv", text, csv={"null_markers": []})
    assert none.rows() == [("", "", "NULL", 1)]
    marked = reading(folder, "a.csv", text, csv={"null_markers": ["NULL"]})
    assert marked.rows() == [("", "", None, 1)]


def test_delimiter_quote_and_columns_may_be_given(folder: Folder) -> None:
    options = {"delimiter": ";", "quote": "'", "column_names": ["x", "y"]}
    assert reading(folder, "a.csv", "'1;2';3\n", csv=options).rows() == [("1;2", "3", 1)]
    assert reading(folder, "a.tsv", "a\tb\n1\t2\n").rows() == [("1", "2", 1)]
    assert reading(folder, "a.csv", 'a\n"1\n', csv={"quote": None}).rows() == [('"1', 1)]


def test_only_selected_columns_are_kept(folder: Folder) -> None:
    found = reading(folder, "a.csv", "a,b,c\n1,2,3\n", columns=["c", "a"])
    assert found.records() == [{"a": "1", "c": "3", "_row": 1}]
    assert set(found.reader.kinds()) == {"a", "c"}


def test_columns_with_a_type_are_read_by_it(folder: Folder) -> None:
    types = {
        "n": "bigint",
        "d": "decimal",
        "f": "double",
        "b": "bool",
        "day": "date",
        "at": "timestamp",
        "local": "datetime",
    }
    text = (
        "n,d,f,b,day,at,local\n"
        "9223372036854775807,0.10,0.1,True,2024-02-29,2024-01-01T00:00:00+00:00,2024-01-01 10:00\n"
        ",,,,,,\n"
    )
    assert reading(folder, "a.csv", text, csv={"types": types, "null_markers": []}).rows() == [
        (
            2**63 - 1,
            Decimal("0.10"),
            0.1,
            True,
            date(2024, 2, 29),
            datetime(2024, 1, 1, tzinfo=UTC),
            datetime(2024, 1, 1, 10),  # noqa: DTZ001 (it has no zone)
            1,
        ),
        (None,) * 7 + (2,),
    ]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bigint", "1.5"),
        ("bigint", "9223372036854775808"),
        ("bigint", "9" * 5_000),
        ("decimal", "one"),
        ("double", "0,1"),
        ("bool", "maybe"),
        ("date", "29.02.2024"),
        ("timestamp", "2024-01-01T00:00:00"),
        ("datetime", "2024-01-01T00:00:00Z"),
    ],
)
def test_a_value_that_is_not_of_its_type_keeps_its_record_out(
    folder: Folder, kind: str, value: str
) -> None:
    found = reading(folder, "a.csv", f'a,b\nx,"{value}"\ny,\n', csv={"types": {"b": kind}})
    assert found.rows() == [("y", None, 2)]
    assert found.broken() == ["type"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"1", "fields"),
        (b"1,2,3", "fields"),
        (b",".join([b"x"] * 100_000), "fields"),
        (b"a\xff,b", "encoding"),
        (b'"a"b,c', "quotes"),
        (b"a\rb,c", "quotes"),
        (b"x" * (9 * 1024 * 1024) + b",b", "too_long"),
    ],
)
def test_a_broken_record_is_told_and_those_around_it_are_read(
    folder: Folder, line: bytes, why: str
) -> None:
    found = reading(folder, "a.csv", b"a,b\n1,2\n" + line + b"\n3,4\n")
    records = [record for page in found.pages() for record in page.records]
    assert [record["_row"] for record in records if isinstance(record, dict)] == [1, 3]
    (broken,) = [json.loads(record) for record in records if isinstance(record, str)]
    assert (broken["file"], broken["record"]) == ("a.csv", 2)
    assert len(json.dumps(broken)) < 20_000
    assert found.unreadable.told() == {why: {"count": 1, "first": "a.csv, record 2"}}


def test_a_quote_that_nobody_closes_ends_with_the_file_or_with_what_a_record_may_have(
    folder: Folder,
) -> None:
    found = reading(folder, "a.csv", 'a,b\n1,2\n"3,4\n5,6\n')
    assert found.rows() == [("1", "2", 1)]
    assert found.broken() == ["quotes"]
    long = reading(folder, "a.csv", 'a,b\n"3,4\n' + "5,6\n" * 2_200_000)
    assert long.unreadable.total == 0
    assert len(long.records()) > 90_000
    assert long.broken() == ["too_long"]


def test_too_many_broken_records_are_the_files_trouble(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = reading(folder, "a.csv", "a,b\n" + "1\n" * 1_001)
    with pytest.raises(PermanentError) as failed:
        found.pages()
    assert "the first that has more or fewer fields than its header is a.csv, record 1" in str(
        failed.value
    )


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "a,b\n", "a,b"])
def test_a_file_without_records_has_none(folder: Folder, text: str) -> None:
    assert reading(folder, "a.csv", text).rows() == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a,b,a\n1,2,3\n", "has more than one column named 'a'"),
        (b"a,_row\n1,2\n", "has a column _row, which is a name of ours"),
        (b"a\xff,b\n1,2\n", "begins with what is not in the stream's encoding"),
        (b",".join(b"%d" % n for n in range(100_000)), "has more than 1,500 columns"),
        (b'"a', "has a header that has quotes that do not close"),
        (b"x" * (9 * 1024 * 1024), "has a header that has more than 8 MiB"),
    ],
)
def test_a_header_that_cannot_be_one_fails_the_file_by_name(
    folder: Folder, content: bytes, told: str
) -> None:
    with pytest.raises(PermanentError) as failed:
        reading(folder, "in/a.csv", content).reader.kinds()
    assert str(failed.value).startswith(f"in/a.csv {told}")
    assert failed.value.fault == "schema"


@pytest.mark.parametrize(
    "stream",
    [{"columns": ["z"]}, {"primary_key": ["z"]}, {"csv": {"types": {"z": "bigint"}}}],
)
def test_a_column_that_is_configured_and_not_there_is_told(
    folder: Folder, stream: dict[str, Any]
) -> None:
    with pytest.raises(PermanentError, match=r"a\.csv has no column 'z'"):
        reading(folder, "a.csv", "a,b\n1,2\n", **stream).reader.kinds()


def test_a_column_without_a_name_gets_its_number(folder: Folder) -> None:
    assert set(reading(folder, "a.csv", ",b\n1,2\n").reader.kinds()) == {"column_1", "b"}


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("is_packed", [False, True])
def test_every_encoding_is_read_with_its_mark_or_without(
    folder: Folder, encoding: Encoding, is_packed: bool, small_pages: int
) -> None:
    text = "name,n\n" + "".join(f'"bål \n{n}",{n}\n' for n in range(8))
    content = text.encode(encoding.value)
    content = packed_bytes(content) if is_packed else content
    found = reading(folder, "a.csv", content, encoding=encoding.value)
    expected = [(f"bål \n{n}", str(n), n + 1) for n in range(8)]
    assert found.rows() == expected
    places = [page.behind for page in found.pages()]
    for place in places:
        rest = [tuple(record.values()) for record in found.records(place)]
        assert rest == expected[place.row :]


def packed_bytes(content: bytes) -> bytes:
    return gzip.compress(content)


def test_a_broken_character_of_two_bytes_is_told(folder: Folder) -> None:
    content = "a,b\n1,2\n".encode("utf-16-le") + b"\x00\xd8\x31\x00\n\x00"
    found = reading(folder, "a.csv", content, encoding="utf-16-le")
    assert found.rows() == [("1", "2", 1)]
    assert found.broken() == ["encoding"]


def test_a_place_in_a_plain_file_is_a_byte_and_in_a_packed_one_a_row(
    folder: Folder, small_pages: int
) -> None:
    plain = reading(folder, "a.csv", rows_csv(5)).pages()[0].behind
    assert plain == Place(3, len(rows_csv(3)))
    assert reading(folder, "b.csv", packed(rows_csv(5))).pages()[0].behind == Place(3, None)


def test_broken_records_before_the_place_are_not_told_again(
    folder: Folder, small_pages: int
) -> None:
    for content in (b"a,b\n1\n2\n3\n4,4\n", packed_bytes(b"a,b\n1\n2\n3\n4,4\n")):
        found = reading(folder, "a.csv", content)
        first = next(iter(found.reader.pages(Place())))
        assert found.unreadable.total == 3
        assert [record["_row"] for record in found.records(first.behind)] == [4]
        assert found.unreadable.total == 3


def test_the_bound_of_a_field_is_that_of_a_record() -> None:
    assert csv_reader.csv.field_size_limit() == 8 * 1024 * 1024
