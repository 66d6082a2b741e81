"""A watermark knows the newest files, so that none is missed and none is read twice."""

import json
from datetime import timedelta

import pytest

from shared.connectors.base import Watermark
from shared.connectors.cloud_storage.marks import (
    LOOK_BACK,
    MOST_KNOWN,
    name_of,
    read_mark,
    write_mark,
)
from shared.connectors.cloud_storage.store import StoredFile
from shared.connectors.watermarks import decode, encode
from shared.errors import PermanentError
from tests.connectors.cloud_storage.drop import NOON

AT = "_file_modified_at"


def _mark(minutes: float = 0) -> Watermark:
    return encode("orders", AT, NOON + timedelta(minutes=minutes))


def test_a_mark_survives_the_way_through_the_database() -> None:
    written = write_mark(_mark(), None, {"a": NOON, "b": NOON - timedelta(hours=1)})
    stored = Watermark("orders", AT, json.loads(json.dumps(written.value)))
    mark = read_mark(stored, AT)
    assert mark is not None
    assert (mark.newest_at, mark.known) == (NOON, {"a", "b"})
    assert mark.since == NOON - LOOK_BACK
    assert decode(stored) == NOON


def test_files_from_before_the_look_back_are_let_go() -> None:
    old = NOON - LOOK_BACK - timedelta(seconds=1)
    mark = read_mark(write_mark(_mark(), None, {"a": old}), AT)
    assert mark is not None
    assert mark.known == frozenset()


def test_a_mark_that_a_person_set_is_the_start_by_itself() -> None:
    mark = read_mark(_mark(), AT)
    assert mark is not None
    assert (mark.since, mark.known) == (NOON, frozenset())
    later = read_mark(write_mark(_mark(5), mark, {}), AT)
    assert later is not None
    assert later.since == NOON


def test_a_mark_never_goes_back() -> None:
    before = read_mark(write_mark(_mark(), None, {}), AT)
    assert decode(write_mark(_mark(-5), before, {"late": NOON - timedelta(minutes=5)})) == NOON


def test_of_too_many_files_the_newest_are_known_and_older_ones_not_looked_for() -> None:
    files = {str(n): NOON - timedelta(seconds=n) for n in range(MOST_KNOWN + 10)}
    mark = read_mark(write_mark(_mark(), None, files), AT)
    assert mark is not None
    assert len(mark.known) == MOST_KNOWN
    assert mark.since == NOON - timedelta(seconds=MOST_KNOWN - 1)


def test_a_mark_of_another_cursor_says_nothing() -> None:
    assert read_mark(_mark(), None) is None
    assert read_mark(None, AT) is None
    assert read_mark(encode("orders", "changed", NOON), AT) is None
    with pytest.raises(PermanentError, match="is no time"):
        read_mark(encode("orders", AT, 7), AT)


def test_each_version_of_a_file_has_a_name_of_its_own() -> None:
    names = {
        name_of(StoredFile(path, NOON, 1, version))
        for path, version in [("a", "1"), ("a", "2"), ("b", "1"), ("a1", ""), ("", "a1")]
    }
    assert len(names) == 5
