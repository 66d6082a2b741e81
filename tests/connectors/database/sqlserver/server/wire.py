"""Messages of TDS in packets, over a socket or over TLS, as a server reads and writes them."""

import select
import socket
import ssl
import struct
from dataclasses import dataclass, field

SQL_BATCH, RPC, REPLY, ATTENTION, LOGIN7, PRELOGIN = 0x01, 0x03, 0x04, 0x06, 0x10, 0x12
_HEADER = struct.Struct(">BBHHBB")
_LAST = 0x01


class HungUp(Exception):  # noqa: N818 (it is no error: clients come and go)
    """The client has closed the connection."""


@dataclass(slots=True)
class Wire:
    """One connection, from the server's side."""

    plain: socket.socket
    packet_size: int = 4096
    sent: int = 0
    """Bytes of messages so far."""
    _tls: ssl.SSLObject | None = None
    _incoming: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    _outgoing: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    _is_shaking_hands: bool = False

    def read_message(self) -> tuple[int, bytes]:
        """Return the type of the next message and what its packets carry."""
        carried = b""
        while True:
            kind, status, size, *_ = _HEADER.unpack(self._exactly(_HEADER.size))
            carried += self._exactly(size - _HEADER.size)
            if status & _LAST:
                return kind, carried

    def write_message(self, payload: bytes, kind: int = REPLY, *, is_last: bool = True) -> None:
        """Send a message, or the next full packets of one."""
        room = self.packet_size - _HEADER.size
        parts = [payload[at : at + room] for at in range(0, len(payload), room)] or [b""]
        for number, part in enumerate(parts):
            status = _LAST if is_last and part is parts[-1] else 0
            self.write_raw(_HEADER.pack(kind, status, len(part) + 8, 51, number % 256, 0) + part)

    def write_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sent += len(data)
        if self._tls is None or self._is_shaking_hands:
            self._send(data)
            return
        self._tls.write(data)
        self._send(self._outgoing.read())

    def has_more(self) -> bool:
        """Tell whether the client has sent something, or has gone."""
        if self._incoming.pending:
            return True
        return bool(select.select([self.plain], [], [], 0)[0])

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Shake hands, in packets of the type PRELOGIN; bare records follow."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_shaking_hands = True
        while self._is_shaking_hands:
            try:
                tls.do_handshake()
                self._is_shaking_hands = False
            except ssl.SSLWantReadError:
                pass
            finally:
                if self._outgoing.pending:
                    self.write_message(self._outgoing.read(), PRELOGIN)
            if self._is_shaking_hands:
                self._incoming.write(self.read_message()[1])
        self._tls = tls

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._some(size - len(data))
        return data

    def _some(self, size: int) -> bytes:
        if self._tls is None:
            return self._received(size)
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                self._incoming.write(self._received(65_536))

    def _received(self, size: int) -> bytes:
        try:
            data = self.plain.recv(size)
        except OSError as error:
            raise HungUp from error
        if not data:
            raise HungUp
        return data

    def _send(self, data: bytes) -> None:
        try:
            self.plain.sendall(data)
        except OSError as error:
            raise HungUp from error
