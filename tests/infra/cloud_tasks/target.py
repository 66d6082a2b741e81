"""An HTTP server that records what it is sent and answers as it is told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_SECONDS = 30.0

Answer = Callable[["Received"], int]


@dataclass(frozen=True, slots=True)
class Received:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Target:
    """What has come in, and how the next requests are answered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answer: Answer = lambda _: 200
        self.received: list[Received] = []
        self._changed = threading.Condition()

    def record(self, request: Received) -> int:
        with self._changed:
            self.received.append(request)
            self._changed.notify_all()
        return self.answer(request)

    def answer_in_turn(self, *statuses: int) -> None:
        """Answer the first request with the first status, and so on; then with 200."""
        turns = iter(statuses)
        self.answer = lambda _: next(turns, 200)

    def wait_for(self, count: int) -> list[Received]:
        """Return the requests as soon as there are so many."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.received) >= count, WAIT_SECONDS)
            assert arrived, f"only {len(self.received)} of {count} requests came"
            return list(self.received)


@contextmanager
def running_target() -> Iterator[Target]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # a client that gave up on its deadline
                self.close_connection = True

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = target.record(Received(self.command, self.path, headers, body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = respond  # noqa: N815 (http.server's)

        def log_message(self, *args: Any) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 512

    with Server(("127.0.0.1", 0), Handler) as server:
        target = Target(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield target
        finally:
            server.shutdown()
            thread.join()
