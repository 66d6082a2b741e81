"""python-tds reads what a server sends; here is what it takes for granted, and had better not."""

import codecs
from typing import Any

from pytds import tds_base
from pytds.collate import Collation, ucs2_codec
from pytds.tds_reader import _TdsReader  # pyright: ignore[reportPrivateUsage] (there is no other way in)

from shared.connectors.database.sqlserver_packets import REPLY, TransportError
from shared.connectors.sqlserver_failures import MOST_ROW_BYTES, TooLargeError

_HEADER_BYTES = 8
_UNASSIGNED = "syncline_unassigned"


def _as_windows_does(error: UnicodeError) -> tuple[str, int]:
    """Take bytes that a code page gives no letter as the control characters of their number."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_UNASSIGNED, _as_windows_does)


class _WindowsCollation(Collation):
    """A collation whose code page has a letter for each byte, as in Windows."""

    def get_codec(self) -> codecs.CodecInfo:
        known = super().get_codec()

        def decode(data: Any, errors: str = _UNASSIGNED, /) -> tuple[str, int]:
            return known.decode(data, errors)

        def incremental(errors: str = _UNASSIGNED) -> codecs.IncrementalDecoder:
            assert known.incrementaldecoder is not None  # noqa: S101 (each of Python's has one)
            return known.incrementaldecoder(errors)

        return codecs.CodecInfo(
            known.encode, decode, incrementaldecoder=incremental, name=known.name
        )


class CheckedReader(_TdsReader):
    """Reads packets as long as they are packets; raises `TransportError` for what is none.

    A row has at most `MOST_ROW_BYTES`, or `TooLargeError` is raised. So many has all of an answer
    that is no row, too: names, messages and whatever else is kept until its end.
    """

    _before = 0
    """Bytes of the packets before this one."""
    _counted_from = 0
    _is_row = False

    def begin_answer(self) -> None:
        """Count the bytes that are no row from here on."""
        self._counted_from = self._place()

    def begin_row(self) -> int:
        """Count the bytes of a row from here on; return what `end_row` has to be given."""
        others = self._place() - self._counted_from
        self._counted_from, self._is_row = self._place(), True
        return others

    def end_row(self, others: int) -> None:
        """Go on with the count of what is no row."""
        self._counted_from, self._is_row = self._place() - others, False

    def _place(self) -> int:
        return self._before + self._pos

    def _read_packet(self) -> None:
        self._before += self._size
        header = bytearray(_HEADER_BYTES)
        self._fill(memoryview(header))
        kind, status, size = header[0], header[1], int.from_bytes(header[2:4], "big")
        if kind != REPLY or not _HEADER_BYTES <= size <= len(self._buf):
            raise TransportError("a packet has a type or a length that no packet has")
        self._bufview[:_HEADER_BYTES] = header
        self._fill(self._bufview[_HEADER_BYTES:size])
        self._type, self._status, self._size = kind, status & 1, size
        self._spid = int.from_bytes(header[4:6], "big")
        self._pos, self._have = _HEADER_BYTES, size
        if self._before + size - self._counted_from > MOST_ROW_BYTES:
            raise TooLargeError if self._is_row else TransportError("an answer has no end")

    def _fill(self, room: memoryview) -> None:
        while room:
            received = self._transport.recv_into(room, len(room))
            if received == 0:
                raise tds_base.ClosedConnectionError
            room = room[received:]

    def recv(self, size: int) -> bytes:
        """Read at most so many bytes, at least one; the message's end is the connection's."""
        if size < 0:
            raise TransportError("a value has a length that no value has")
        # python-tds would ask for the rest of a value that was cut off again and again.
        found = super().recv(size)
        while not found and size:
            if self.stream_finished():
                raise tds_base.ClosedConnectionError
            found = super().recv(size)
        return found

    def read_fast(self, size: int) -> tuple[Any, int]:
        """Return bytes and where in them the next `size` begin."""
        # python-tds takes a packet for as long as its buffer, and reads on behind a shorter one.
        if self._size - self._pos < size:
            return tds_base.readall(self, size), 0
        start = self._pos
        self._pos += size
        return self._buf, start

    def read_str(self, size: int, codec: Any) -> str:
        """Read a text of so many bytes; half a surrogate pair stays what it is."""
        data = bytes(tds_base.readall(self, size))
        return (
            data.decode("utf-16-le", "surrogatepass")
            if codec is ucs2_codec
            else codec.decode(data)[0]
        )

    def get_collation(self) -> Collation:
        """Read a collation."""
        return _WindowsCollation.unpack(bytes(tds_base.readall(self, Collation.wire_size)))
