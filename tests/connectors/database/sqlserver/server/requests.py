"""What a client asks of a server: its greeting, its login, and its queries."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

_SP_EXECUTESQL = 10
_ENCRYPTION, _TERMINATOR = 1, 0xFF
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Login:
    """LOGIN7, as far as a server here looks at it."""

    user: str
    password: str
    database: str
    host: str
    app: str
    packet_size: int


@dataclass(frozen=True, slots=True)
class Query:
    """A batch, or a call of `sp_executesql` with its parameters by name."""

    text: str
    parameters: Mapping[str, Any]
    is_call: bool


def encryption_of(prelogin: bytes) -> int:
    """Return what a client says of encryption."""
    at = 0
    while prelogin[at] != _TERMINATOR:
        option, offset, _length = struct.unpack_from(">BHH", prelogin, at)
        if option == _ENCRYPTION:
            return prelogin[offset]
        at += 5
    raise AssertionError("it says nothing")


def prelogin_answer(encryption: int) -> bytes:
    """Return the answer to a greeting: version, encryption, and no MARS."""
    options = {0: bytes([16, 0, 0x10, 0x36, 0, 0]), 1: bytes([encryption]), 4: b"\0"}
    offset, table = 5 * len(options) + 1, b""
    for option, value in options.items():
        table += struct.pack(">BHH", option, offset, len(value))
        offset += len(value)
    return table + bytes([_TERMINATOR]) + b"".join(options.values())


def login_of(message: bytes) -> Login:
    """Return what LOGIN7 says."""
    (packet_size,) = struct.unpack_from("<I", message, 8)

    def text(number: int) -> bytes:
        start, length = struct.unpack_from("<HH", message, 36 + 4 * number)
        return message[start : start + 2 * length]

    mangled = bytes(byte ^ 0xA5 for byte in text(2))
    password = bytes((byte << 4 | byte >> 4) & 0xFF for byte in mangled)
    host, user, app, database = (text(number).decode("utf-16-le") for number in (4, 1, 3, 8))
    return Login(user, password.decode("utf-16-le"), database, host, app, packet_size)


def batch_of(message: bytes) -> Query:
    """Return the text of a batch."""
    (headers,) = struct.unpack_from("<I", message)
    return Query(message[headers:].decode("utf-16-le"), {}, is_call=False)


def call_of(message: bytes) -> Query:
    """Return the statement and the parameters of a call of `sp_executesql`."""
    reader = _Reader(message)
    reader.take(struct.unpack_from("<I", message)[0])
    length, procedure = reader.unpack("<HH")
    assert (length, procedure) == (0xFFFF, _SP_EXECUTESQL), "nothing else is called"
    reader.unpack("<H")
    found: dict[str, Any] = {}
    while not reader.is_over():
        name = reader.take(2 * reader.byte()).decode("utf-16-le")
        reader.byte()
        found[name or f"#{len(found)}"] = reader.value()
    statement, _declared, *_ = found.values()
    named = {name.removeprefix("@"): value for name, value in found.items() if name[0] == "@"}
    return Query(statement, named, is_call=True)


class _Reader:
    """Takes a call apart."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._at = 0

    def is_over(self) -> bool:
        return self._at >= len(self._message)

    def take(self, size: int) -> bytes:
        self._at += size
        assert self._at <= len(self._message), "the call is cut off"
        return self._message[self._at - size : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def unpack(self, shape: str) -> tuple[Any, ...]:
        return struct.unpack(shape, self.take(struct.calcsize(shape)))

    def value(self) -> Any:  # noqa: PLR0911 (a table)
        match self.byte():
            case 0x26:
                self.byte()
                data = self.take(self.byte())
                return int.from_bytes(data, "little", signed=True) if data else None
            case 0x68:
                self.byte()
                data = self.take(self.byte())
                return bool(data[0]) if data else None
            case 0x6D:
                self.byte()
                data = self.take(self.byte())
                return struct.unpack("<d", data)[0] if data else None
            case 0x6A:
                return self._decimal()
            case 0xE7:
                return self._text()
            case 0x24:
                self.byte()
                data = self.take(self.byte())
                return UUID(bytes_le=data) if data else None
            case 0x28 | 0x29 | 0x2A | 0x2B as code:
                return self._time(code)
            case code:
                raise AssertionError(f"no client here sends the type {code:#x}")

    def _decimal(self) -> Decimal | None:
        _size, _precision, scale = self.take(3)
        data = self.take(self.byte())
        if not data:
            return None
        number = int.from_bytes(data[1:], "little") * (1 if data[0] else -1)
        return Decimal(number).scaleb(-scale, context=_EXACT)

    def _text(self) -> str | None:
        (size,) = self.unpack("<H")
        self.take(5)
        if size == 0xFFFF:
            self.unpack("<Q")
            chunks = b""
            while length := self.unpack("<I")[0]:
                chunks += self.take(length)
            return chunks.decode("utf-16-le")
        (length,) = self.unpack("<H")
        return None if length == 0xFFFF else self.take(length).decode("utf-16-le")

    def _time(self, code: int) -> Any:
        scale = 0 if code == 0x28 else self.byte()
        data = self.take(self.byte())
        if not data:
            return None
        offset = data[-2:] if code == 0x2B else b""
        data = data.removesuffix(offset)
        day = int.from_bytes(data[-3:], "little") if code != 0x29 else 0
        ticks = data if code == 0x29 else data[:-3]
        microseconds = int.from_bytes(ticks, "little") * 10 ** (6 - scale)
        instant = datetime(1, 1, 1) + timedelta(days=day, microseconds=microseconds)  # noqa: DTZ001
        match code:
            case 0x28:
                return date(instant.year, instant.month, instant.day)
            case 0x29:
                return time(instant.hour, instant.minute, instant.second, instant.microsecond)
            case 0x2A:
                return instant
            case _:
                return instant.replace(tzinfo=UTC)
