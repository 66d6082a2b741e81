"""Sources that refuse every login, and tell in their refusal whatever they were told."""

import json
import socketserver
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_SSL_REQUEST = 80877103
_ASK_FOR_PASSWORD = b"R" + struct.pack(">ii", 8, 3)


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Refuse with everything that came."""
        length = int(self.headers.get("Content-Length") or 0)
        came = f"{self.path} {self.headers} {self.rfile.read(length)!r}"
        said = {"error": "invalid_client", "error_description": came, "message": came}
        body = json.dumps(said).encode()
        self.send_response(401, "refused")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Came", came.replace("\n", " ").replace("\r", " ")[:4_000])
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 (the names of the library)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Database(socketserver.StreamRequestHandler):
    """PostgreSQL's protocol as far as the password, which the error then quotes."""

    def handle(self) -> None:
        """Ask for the password in plain, and refuse it."""
        code = self._startup()
        if code == _SSL_REQUEST:
            self.wfile.write(b"N")
            code = self._startup()
        if code is None:
            return
        self.wfile.write(_ASK_FOR_PASSWORD)
        if self.rfile.read(1) != b"p":
            return
        [length] = struct.unpack(">i", self.rfile.read(4))
        password = self.rfile.read(length - 4).rstrip(b"\0")
        fields = (b"SFATAL", b"VFATAL", b"C28P01", b"Mthe password " + password + b" is wrong")
        body = b"\0".join((*fields, b"D" + password, b"", b""))
        self.wfile.write(b"E" + struct.pack(">i", len(body) + 4) + body)

    def _startup(self) -> int | None:
        head = self.rfile.read(8)
        if len(head) < 8:
            return None
        length, code = struct.unpack(">ii", head)
        self.rfile.read(length - 8)
        return code


class _Databases(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def echoing_http() -> Generator[str]:
    """Serve HTTP until the block ends; yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    with _served(server):
        yield f"http://127.0.0.1:{server.server_port}"


@contextmanager
def echoing_database() -> Generator[str]:
    """Serve the protocol of PostgreSQL until the block ends; yield its address."""
    server = _Databases(("127.0.0.1", 0), _Database)
    with _served(server):
        yield f"postgresql://reader@127.0.0.1:{server.server_address[1]}/shop"


@contextmanager
def _served(server: socketserver.TCPServer) -> Generator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
