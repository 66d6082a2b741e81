"""What tells a pooler from a server: it logs clients in itself, and names a process of its own."""

import socket
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress

from psycopg2.extensions import make_dsn, parse_dsn

_KEY_DATA = b"K\x00\x00\x00\x0c"
"""The message that names the process that a client talks to: four bytes of it come next."""
_SECONDS = 30


@contextmanager
def posing_as_a_pooler(dsn: str) -> Generator[str]:
    """Yield a URL at which one client is served by the database, under another process's number."""
    parts = parse_dsn(dsn)
    server = socket.create_connection((parts["host"], int(parts["port"])), _SECONDS)
    with closing(server), closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(_SECONDS)
        serving = threading.Thread(target=_serve, args=(listener, server))
        serving.start()
        port = listener.getsockname()[1]
        yield make_dsn(dsn, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        serving.join(_SECONDS)


def _serve(listener: socket.socket, server: socket.socket) -> None:
    client, _ = listener.accept()
    client.settimeout(_SECONDS)
    with closing(client):
        asking = threading.Thread(target=_pass, args=(client, server))
        asking.start()
        with suppress(OSError):
            while data := server.recv(65_536):
                head, found, rest = data.partition(_KEY_DATA)
                client.sendall(head + found + (b"\x00\x00\x00\x01" + rest[4:] if found else rest))
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        asking.join(_SECONDS)


def _pass(client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while data := client.recv(65_536):
            server.sendall(data)
