"""TLS in front of the embedded PostgreSQL, which is built without it.

It answers libpq's request for encryption as PostgreSQL does, and hands what comes over it on.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@dataclass(slots=True)
class Front:
    """One front: the port it listens on, and how it encrypts."""

    port: int
    behind: int
    context: ssl.SSLContext
    encrypted: int = 0
    """How many connections were encrypted."""

    def serve(self, client: socket.socket) -> None:
        """Serve a connection to its end, in a thread."""
        with suppress(OSError):  # TLS errors among them: the client tells what it met
            if client.recv(8, socket.MSG_WAITALL) != _SSL_REQUEST:
                return
            client.sendall(b"S")
            with (
                self.context.wrap_socket(client, server_side=True) as safe,
                socket.create_connection(("127.0.0.1", self.behind)) as server,
            ):
                self.encrypted += 1
                back = threading.Thread(target=_pump, args=(server, safe))
                back.start()
                _pump(safe, server)
                back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def running_front(behind: int, context: ssl.SSLContext) -> Generator[Front]:
    """Put TLS in front of a PostgreSQL on this machine for the length of the block."""
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        front = Front(listener.getsockname()[1], behind, context)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threads.append(threading.Thread(target=_serve, args=(front, client)))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield front
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


def _serve(front: Front, client: socket.socket) -> None:
    with client:
        front.serve(client)
