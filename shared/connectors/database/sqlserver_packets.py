"""Packets of TDS, the protocol of SQL Server, as far as they come before the driver's own."""

import socket
import struct
from dataclasses import dataclass

PRELOGIN = 0x12
"""The type of the first packets, and of those that carry the handshake of TLS."""
REPLY = 0x04

_HEADER = struct.Struct(">BBHHBB")
_END_OF_MESSAGE = 0x01
_LARGEST = 32_767
"""Bytes of a packet: no server sends larger ones."""
_FIRST = 4_096
"""Bytes of a packet as long as nothing else has been agreed on."""

_VERSION, _ENCRYPTION, _INSTANCE, _THREAD, _MARS = range(5)
_TERMINATOR = 0xFF
_CLIENT_VERSION = bytes([1, 0, 0, 0, 0, 0])


class TransportError(ConnectionError):
    """What comes over the connection cannot be read, or breaks off."""


class NotTdsError(Exception):
    """The other side does not speak TDS at all."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: its type, and what it carries without the header."""

    kind: int
    payload: bytes


def write_packet(connection: socket.socket, kind: int, payload: bytes) -> None:
    """Send a message, in as many packets as it takes."""
    room = _FIRST - _HEADER.size
    parts = [payload[start : start + room] for start in range(0, len(payload), room)] or [b""]
    for number, part in enumerate(parts):
        status = _END_OF_MESSAGE if number == len(parts) - 1 else 0
        header = _HEADER.pack(kind, status, _HEADER.size + len(part), 0, number % 256, 0)
        connection.sendall(header + part)


def read_packet(connection: socket.socket) -> Packet:
    """Read one packet of those before the login; raise `NotTdsError` or `OSError`."""
    kind, _status, size, *_ = _HEADER.unpack(_exactly(connection, _HEADER.size))
    if kind not in (PRELOGIN, REPLY) or not _HEADER.size < size <= _LARGEST:
        raise NotTdsError("the first packet is none of TDS")
    return Packet(kind, _exactly(connection, size - _HEADER.size))


def prelogin(encryption: int) -> bytes:
    """Return the message that asks how to go on; MARS, several queries at once, is not wanted."""
    options = {
        _VERSION: _CLIENT_VERSION,
        _ENCRYPTION: bytes([encryption]),
        _INSTANCE: b"\0",
        _THREAD: bytes(4),
        _MARS: b"\0",
    }
    offset, table = 5 * len(options) + 1, b""
    for option, value in options.items():
        table += struct.pack(">BHH", option, offset, len(value))
        offset += len(value)
    return table + bytes([_TERMINATOR]) + b"".join(options.values())


def encryption_of(answer: bytes) -> int:
    """Return what a server says of encryption in its answer; raise `NotTdsError` if nothing."""
    for start in range(0, len(answer) - 5, 5):
        option, offset, length = struct.unpack_from(">BHH", answer, start)
        if option == _TERMINATOR:
            break
        if option == _ENCRYPTION and length == 1 and offset < len(answer):
            return answer[offset]
    raise NotTdsError("the first answer says nothing of encryption")


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise TransportError("the connection was closed before the login")
        data += part
    return bytes(data)
