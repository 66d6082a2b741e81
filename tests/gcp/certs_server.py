"""A loopback server of public keys that counts how often it is asked."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(slots=True)
class CertsServer:
    """What it answers next, and how often it was asked."""

    body: bytes
    url: str = ""
    status: int = 200
    requests: int = 0


@contextmanager
def serving_certs(certs: dict[str, str]) -> Generator[CertsServer, None, None]:
    """Serve `certs` on a free loopback port."""
    served = CertsServer(json.dumps(certs).encode())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests += 1
            self.send_response(served.status)
            self.send_header("Content-Length", str(len(served.body)))
            self.end_headers()
            self.wfile.write(served.body)

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_port}/certs"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
