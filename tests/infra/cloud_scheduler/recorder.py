"""A real HTTP target that records what it is sent and answers as a test wants."""

import threading
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class Recorder:
    """What a target received; thread-safe."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Received] = []
        self._answers: deque[int] = deque()
        self._changed = threading.Condition()
        self._open = threading.Event()
        self._open.set()

    def answer(self, statuses: Iterable[int]) -> None:
        """Answer the next requests so; later ones get 200."""
        with self._changed:
            self._answers.extend(statuses)

    def hold(self) -> None:
        """Leave requests without an answer until `release`."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def wait_for(self, count: int) -> list[Received]:
        """Return the requests once there are at least `count`."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.requests) >= count, _PATIENCE_SECONDS)
            assert enough, f"{len(self.requests)} requests of {count} came"
            return list(self.requests)

    def take(self, received: Received) -> int:
        """Record a request and return the status to answer with."""
        with self._changed:
            self.requests.append(received)
            status = self._answers.popleft() if self._answers else 200
            self._changed.notify_all()
        self._open.wait(_PATIENCE_SECONDS)
        return status


@contextmanager
def recording() -> Generator[Recorder, None, None]:
    """Serve a recorder on a free loopback port."""
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = recorder.take(Received(self.command, self.path, headers, body))
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: a caller that gave up is part of some tests."""

    server = Server(("127.0.0.1", 0), Handler)
    recorder.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield recorder
    finally:
        recorder.release()
        server.shutdown()
        thread.join()
        server.server_close()
