"""Follows what a client sends to PostgreSQL, so that a fault can hit one statement."""

import struct
from collections.abc import Sequence

from tests.faults.toxics import Mark, Moment

_SSL_REQUEST = 80_877_103
_LENGTH = struct.Struct("!i")
_TYPED_HEADER = 5
_UNTYPED_HEADER = 4


class StatementWatch:
    """Tells where the statements of one connection begin and end (a `Watch`).

    Knows simple queries and the extended protocol with one statement at a time, which is what our
    drivers speak; a connection that turns to TLS cannot be followed. The text of a commit goes on
    with that of the statement before it, which tells whose commit it is.
    """

    def __init__(self) -> None:
        self._pending = b""
        self._has_started = False
        self._sql = ""
        self._executed = False

    def feed(self, data: bytes) -> Sequence[Mark]:
        """Return where statements begin and end within `data`, in order."""
        start = -len(self._pending)
        self._pending += data
        marks: list[Mark] = []
        while (size := self._size_of_first()) is not None:
            message, self._pending = self._pending[:size], self._pending[size:]
            marks += self._read(message, start)
            start += size
        return marks

    def _size_of_first(self) -> int | None:
        """Return the size of the first pending message in bytes if it is there as a whole."""
        header = _TYPED_HEADER if self._has_started else _UNTYPED_HEADER
        if len(self._pending) < header:
            return None
        (length,) = _LENGTH.unpack_from(self._pending, header - _LENGTH.size)
        size = int(length) + header - _LENGTH.size
        return size if len(self._pending) >= size else None

    def _read(self, message: bytes, start: int) -> Sequence[Mark]:
        if not self._has_started:
            (code,) = _LENGTH.unpack_from(message, _UNTYPED_HEADER)
            self._has_started = code != _SSL_REQUEST
            return ()
        kind, body, end = message[:1], message[_TYPED_HEADER:], start + len(message)
        match kind:
            case b"Q":
                sql = self._note(_text(body))
                return Mark(start, sql, Moment.BEFORE), Mark(end, sql, Moment.AFTER)
            case b"P":
                # The name of the prepared statement comes first; ours are unnamed or numbered.
                sql = self._note(_text(body.partition(b"\0")[2]))
                return (Mark(start, sql, Moment.BEFORE),)
            case b"E":
                self._executed = True
            case b"S" if self._executed:
                self._executed = False
                return (Mark(end, self._sql, Moment.AFTER),)
            case _:
                pass
        return ()

    def _note(self, sql: str) -> str:
        self._sql = f"{sql}\n{self._sql}" if sql.lower() == "commit" else sql
        return self._sql


def _text(body: bytes) -> str:
    return body.partition(b"\0")[0].decode(errors="replace")
