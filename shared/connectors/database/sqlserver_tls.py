"""TLS as SQL Server speaks it: the handshake in packets of TDS, and bare records after it."""

import socket
import ssl
from contextlib import suppress
from typing import Any, cast

from shared.connectors.database.sqlserver_packets import (
    PRELOGIN,
    TransportError,
    read_packet,
    write_packet,
)

_RECORD_BYTES = 65_536


class TlsChannel:
    """A connection under TLS, in the form of a socket that python-tds knows.

    The driver's own goes through pyOpenSSL, whose check of the host name fails with its current
    versions; this is the standard library's.
    """

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, host: str) -> None:
        """Shake hands; `host` is checked if the context says so.

        Raises `ssl.SSLError`, `OSError` and `TransportError`.
        """
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._shake_hands()

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send_in_packets()
                self._incoming.write(read_packet(self._plain).payload)
            except ssl.SSLError:
                with suppress(OSError):
                    self._send_in_packets()  # the alert that tells the server why
                raise
            else:
                self._send_in_packets()
                return

    def _send_in_packets(self) -> None:
        if self._outgoing.pending:
            write_packet(self._plain, PRELOGIN, self._outgoing.read())

    def sendall(self, data: bytes | bytearray, _flags: int = 0) -> None:
        """Send all of the data."""
        self._tls.write(data)
        self._send_records()

    def _send_records(self) -> None:
        if self._outgoing.pending:
            self._plain.sendall(self._outgoing.read())

    def recv_into(self, buffer: bytearray | memoryview, size: int = 0, _flags: int = 0) -> int:
        """Read at most `size` bytes, and at least one unless the server has ended the connection.

        An end without TLS's own farewell is one that something on the way may have made.
        """
        while True:
            try:
                return cast("Any", self._tls).read(size or len(buffer), buffer)
            except ssl.SSLWantReadError:
                self._send_records()  # it may have an answer to what it has read
                records = self._plain.recv(_RECORD_BYTES)
                if not records:
                    raise TransportError("the connection ended without TLS's farewell") from None
                self._incoming.write(records)
            except ssl.SSLZeroReturnError:
                return 0

    def recv(self, size: int) -> bytes:
        """Read as `recv_into` does."""
        buffer = bytearray(size)
        return bytes(buffer[: self.recv_into(buffer, size)])

    def gettimeout(self) -> float | None:
        """Return how many seconds each wait of the socket may take."""
        return self._plain.gettimeout()

    def settimeout(self, timeout: float | None) -> None:
        """Say how many seconds each wait of the socket may take."""
        self._plain.settimeout(timeout)

    def close(self) -> None:
        """Close the connection."""
        self._plain.close()
