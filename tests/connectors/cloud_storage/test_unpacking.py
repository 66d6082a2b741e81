"""Packed files are unpacked a little at a time, and what is no whole gzip file is told."""

import gzip
import os

import pytest

from shared.connectors.cloud_storage import unpacking
from shared.connectors.cloud_storage.records import Place
from shared.errors import PermanentError
from tests.connectors.cloud_storage.drop import Folder, packed, rows_csv
from tests.connectors.cloud_storage.readings import reading


def test_gzip_is_known_by_its_first_bytes_and_may_have_many_members(folder: Folder) -> None:
    content = packed(rows_csv(2)) + packed("3,three,3\n")
    found = reading(folder, "not-named-so.csv", content)
    assert [record["id"] for record in found.records()] == ["1", "2", "3"]


def test_a_name_that_says_gzip_of_what_is_none_is_read_as_it_is(folder: Folder) -> None:
    assert len(reading(folder, "a.csv.gz", rows_csv(2)).records()) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "followed"])
def test_a_damaged_gzip_file_fails_by_name(folder: Folder, damage: str) -> None:
    content = bytearray(gzip.compress(b"a,b\n" + os.urandom(4_000).hex().encode() + b",2\n"))
    if damage == "cut":
        del content[-100:]
    elif damage == "flipped":
        content[1_000] ^= 0xFF
    else:
        content += b"more"
    found = reading(folder, "a.csv.gz", bytes(content))
    with pytest.raises(PermanentError, match=r"a\.csv\.gz is damaged, or no whole gzip file"):
        found.records()


def test_a_file_that_grows_without_measure_is_refused(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "_HARMLESS_BYTES", 1_000_000)
    found = reading(folder, "a.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 5_000_000))
    with pytest.raises(PermanentError, match="grows more than 200 times"):
        for _ in found.reader.pages(Place()):
            pass


def test_zeros_without_a_line_end_take_no_memory(folder: Folder) -> None:
    found = reading(folder, "a.csv.gz", gzip.compress(b"a,b\n1,2\n" + bytes(40_000_000)))
    assert found.rows() == [("1", "2", 1)]
    assert found.broken() == ["too_long"]
