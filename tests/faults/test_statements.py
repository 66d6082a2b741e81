import struct

import pytest

from tests.faults.statements import StatementWatch
from tests.faults.toxics import Mark, Moment


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def untyped(body: bytes) -> bytes:
    return struct.pack("!i", len(body) + 4) + body


SYNC = message(b"S")
STARTUP = untyped(struct.pack("!i", 80_877_103)) + untyped(
    struct.pack("!i", 196_608) + b"user\0nobody\0\0"
)
PARSE = message(b"P", b"\0UPDATE t\0\0\0")
EXECUTE = message(b"E", b"\0\0\0\0\0")
EXTENDED = PARSE + SYNC + message(b"D", b"S\0") + SYNC + message(b"B", bytes(8)) + EXECUTE + SYNC
SIMPLE = message(b"Q", b"commit\0")


def test_a_simple_query_has_a_place_on_either_side() -> None:
    watch = StatementWatch()
    assert watch.feed(STARTUP) == []

    assert watch.feed(message(b"Q", b"begin\0")) == [
        Mark(0, "begin", Moment.BEFORE),
        Mark(len(SIMPLE) - 1, "begin", Moment.AFTER),
    ]


def test_an_extended_query_ends_with_the_sync_after_it_and_a_commit_tells_whose_it_is() -> None:
    watch = StatementWatch()

    assert watch.feed(STARTUP + EXTENDED + SIMPLE) == [
        Mark(len(STARTUP), "UPDATE t", Moment.BEFORE),
        Mark(len(STARTUP + EXTENDED), "UPDATE t", Moment.AFTER),
        Mark(len(STARTUP + EXTENDED), "commit\nUPDATE t", Moment.BEFORE),
        Mark(len(STARTUP + EXTENDED + SIMPLE), "commit\nUPDATE t", Moment.AFTER),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 40])
def test_places_are_the_same_however_the_bytes_come(size: int) -> None:
    stream = STARTUP + SIMPLE + EXTENDED + EXTENDED
    whole = StatementWatch().feed(stream)
    watch = StatementWatch()
    found = [
        Mark(start + mark.offset, mark.text, mark.moment)
        for start in range(0, len(stream), size)
        for mark in watch.feed(stream[start : start + size])
    ]
    assert found == whole
    assert len(found) == 6


def test_a_statement_that_began_in_an_earlier_piece_begins_before_this_one() -> None:
    watch = StatementWatch()
    watch.feed(STARTUP + PARSE[:4])
    assert watch.feed(PARSE[4:]) == [Mark(-4, "UPDATE t", Moment.BEFORE)]
