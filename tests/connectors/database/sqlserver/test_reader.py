"""What a server sends is read as it is, and what is no packet is not read at all."""

import struct
from typing import Any, cast

import pytest
from pytds import tds_base
from pytds.collate import ucs2_codec

from shared.connectors.database import sqlserver_reader
from shared.connectors.database.sqlserver_packets import TransportError
from shared.connectors.database.sqlserver_reader import CheckedReader
from shared.connectors.sqlserver_failures import TooLargeError
from tests.connectors.database.sqlserver.server.types import COLLATION

SIZE = 64


class _Sent:
    """What a server has sent, piece by piece, and then the end of the connection."""

    def __init__(self, data: bytes, piece: int = 5) -> None:
        self._data = data
        self._piece = piece

    def recv_into(self, buffer: memoryview, size: int = 0, _flags: int = 0) -> int:
        some = self._data[: min(size, self._piece)]
        self._data = self._data[len(some) :]
        buffer[: len(some)] = some
        return len(some)


def _packet(
    payload: bytes, *, is_last: bool = True, kind: int = 4, size: int | None = None
) -> bytes:
    length = len(payload) + 8 if size is None else size
    return struct.pack(">BBHHBB", kind, int(is_last), length, 51, 0, 0) + payload


def _reader(*packets: bytes) -> CheckedReader:
    reader = CheckedReader(cast("Any", None), cast("Any", _Sent(b"".join(packets))), SIZE)
    reader.begin_answer()
    reader.begin_response()
    return reader


def test_a_number_that_packets_split_is_read_whole_although_they_are_not_full() -> None:
    data = struct.pack("<qi", -(2**60), 7)
    parts = [_packet(data[:3], is_last=False), _packet(data[3:4], is_last=False), _packet(data[4:])]
    reader = _reader(*parts)
    assert (reader.get_int8(), reader.get_int()) == (-(2**60), 7)
    assert reader.stream_finished()


def test_an_empty_packet_among_others_is_passed_over() -> None:
    reader = _reader(_packet(b"a", is_last=False), _packet(b"", is_last=False), _packet(b"bc"))
    assert tds_base.readall(reader, 3) == b"abc"


def test_a_value_that_is_cut_off_ends_the_reading() -> None:
    reader = _reader(_packet(b"abc"))
    with pytest.raises(tds_base.ClosedConnectionError):
        tds_base.readall(reader, 4)
    with pytest.raises(tds_base.ClosedConnectionError):
        reader.recv(1)


def test_a_connection_that_ends_within_a_packet_ends_the_reading() -> None:
    with pytest.raises(tds_base.ClosedConnectionError):
        _reader(_packet(b"abc")[:-1])


@pytest.mark.parametrize(
    "packet",
    [
        _packet(b"", size=0),
        _packet(b"", size=7),
        _packet(b"x" * 60, size=SIZE + 1),
        _packet(b"abc", kind=0x12),
        b"HTTP/1.1 400 Bad Request",
    ],
)
def test_what_is_no_packet_is_not_read(packet: bytes) -> None:
    with pytest.raises(TransportError):
        _reader(packet)


def test_half_a_surrogate_pair_stays_one() -> None:
    data = "a\ud83d".encode("utf-16-le", "surrogatepass")
    assert _reader(_packet(data)).read_str(len(data), ucs2_codec) == "a\ud83d"


def test_bytes_that_a_code_page_gives_no_letter_are_what_windows_takes_them_for() -> None:
    codec = _reader(_packet(COLLATION)).get_collation().get_codec()
    assert codec.decode(b"caf\xe9 \x81\x80")[0] == "café \x81€"
    assert codec.incrementaldecoder is not None
    assert codec.incrementaldecoder().decode(b"\x9d\x80") == "\x9d€"


@pytest.mark.parametrize("size", [-1, -(2**31)])
def test_a_value_of_less_than_no_bytes_is_not_read(size: int) -> None:
    with pytest.raises(TransportError):
        tds_base.readall(_reader(_packet(b"abc")), size)


def _many(count: int) -> list[bytes]:
    return [_packet(b"x" * 42, is_last=False)] * count


def test_a_row_that_is_larger_than_any_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlserver_reader, "MOST_ROW_BYTES", 1000)
    reader = _reader(*_many(80))
    for _ in range(3):
        others = reader.begin_row()
        tds_base.readall(reader, 400)
        reader.end_row(others)
    reader.begin_row()
    with pytest.raises(TooLargeError):
        tds_base.readall(reader, 1000)


def test_what_is_no_row_of_an_answer_is_not_read_without_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlserver_reader, "MOST_ROW_BYTES", 1000)
    reader = _reader(*_many(40))
    for _ in range(3):
        tds_base.readall(reader, 250)
        others = reader.begin_row()
        tds_base.readall(reader, 50)
        reader.end_row(others)
    with pytest.raises(TransportError):
        tds_base.readall(reader, 250)
    reader.begin_answer()
    assert len(tds_base.readall(reader, 250)) == 250
