"""Tokens of TDS 7.4 that a server answers with."""

import struct
from collections.abc import Sequence
from typing import Any

from tests.connectors.database.sqlserver.server.types import COLLATION, SqlType

DONE, DONE_PROC, DONE_IN_PROC = 0xFD, 0xFE, 0xFF
MORE, ERROR, COUNT, ATTENTION = 0x01, 0x02, 0x10, 0x20
_SELECT = 0xC1
_ENV_DATABASE, _ENV_PACKET, _ENV_COLLATION, _ENV_ROUTING = 1, 4, 7, 20


def column_metadata(names: Sequence[str], types: Sequence[SqlType]) -> bytes:
    columns = b"".join(
        struct.pack("<IH", 0, 9) + kind.info + _short_text(name)
        for name, kind in zip(names, types, strict=True)
    )
    return b"\x81" + struct.pack("<H", len(names)) + columns


def row(types: Sequence[SqlType], values: Sequence[Any]) -> bytes:
    """Return a row; one that has a NULL is of the kind that says so in bits, before the others."""
    pairs = list(zip(types, values, strict=True))
    if None not in values:
        return b"\xd1" + b"".join(kind.encoded(value) for kind, value in pairs)
    nulls = bytearray((len(pairs) + 7) // 8)
    for number, value in enumerate(values):
        if value is None:
            nulls[number // 8] |= 1 << number % 8
    present = b"".join(kind.encoded(value) for kind, value in pairs if value is not None)
    return b"\xd2" + bytes(nulls) + present


def done(kind: int, status: int = 0, count: int = 0) -> bytes:
    return bytes([kind]) + struct.pack("<HHQ", status, _SELECT, count)


def return_status() -> bytes:
    return b"\x79" + struct.pack("<i", 0)


def message(number: int, severity: int, text: str, *, is_error: bool = True) -> bytes:
    body = struct.pack("<iBB", number, 1, severity) + _long_text(text)
    body += _short_text("server") + _short_text("") + struct.pack("<I", 1)
    return bytes([0xAA if is_error else 0xAB]) + struct.pack("<H", len(body)) + body


def login_ack() -> bytes:
    body = b"\x01" + bytes.fromhex("74000004") + _short_text("Microsoft SQL Server")
    body += bytes([16, 0, 0x10, 0x36])
    return b"\xad" + struct.pack("<H", len(body)) + body


def environment(database: str, packet_size: int) -> bytes:
    return (
        _change(_ENV_DATABASE, _short_text(database) + _short_text("master"))
        + _change(_ENV_COLLATION, bytes([5]) + COLLATION + b"\0")
        + _change(_ENV_PACKET, _short_text(str(packet_size)) + _short_text("4096"))
    )


def routing(host: str, port: int) -> bytes:
    target = struct.pack("<BH", 0, port) + _long_text(host)
    return _change(_ENV_ROUTING, struct.pack("<H", len(target)) + target + bytes(2))


def _change(kind: int, values: bytes) -> bytes:
    return b"\xe3" + struct.pack("<HB", len(values) + 1, kind) + values


def _short_text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode("utf-16-le")


def _long_text(text: str) -> bytes:
    return struct.pack("<H", len(text)) + text.encode("utf-16-le")
