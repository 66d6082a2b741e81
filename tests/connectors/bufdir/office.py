"""An office that takes reports on loopback: it remembers keys or does not, and fails as told."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "token-canary"


@dataclass(frozen=True, slots=True)
class Came:
    """One request as the office saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers.get("idempotency-key", "")

    @property
    def report(self) -> Any:
        return json.loads(self.body)


@dataclass
class Office:
    """`came` are all requests, `taken` the reports that count; `faults` are met in their order."""

    port: int = 0
    remembers: bool = True
    came: list[Came] = field(default_factory=list[Came])
    taken: list[Came] = field(default_factory=list[Came])
    faults: list["Fault"] = field(default_factory=list["Fault"])
    tokens: int = 0
    answer: Callable[[int], dict[str, Any]] = lambda number: {"receipt": {"number": f"R-{number}"}}
    _receipts: dict[str, tuple[bytes, int]] = field(default_factory=dict[str, tuple[bytes, int]])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/figures"

    def take(self, came: Came) -> tuple[int, dict[str, Any]]:
        """Let a report count, or remember that it did; return status and answer."""
        if self.remembers and came.key in self._receipts:
            body, number = self._receipts[came.key]
            return (200, self.answer(number)) if body == came.body else (422, {})
        self.taken.append(came)
        self._receipts[came.key] = (came.body, len(self.taken))
        return 200, self.answer(len(self.taken))


Fault = Callable[[Office, Came, BaseHTTPRequestHandler], None]


def says(status: int, body: bytes = b"{}", **headers: str) -> Fault:
    """Take nothing and answer with a status; an underscore in names of headers is a dash."""

    def meet(_office: Office, _came: Came, handler: BaseHTTPRequestHandler) -> None:
        _answer(handler, status, body, **headers)

    return meet


def takes_and_hangs_up(office: Office, came: Came, _handler: BaseHTTPRequestHandler) -> None:
    """Let the report count, and never say so."""
    office.take(came)


def takes_and_says(status: int, body: bytes = b"") -> Fault:
    """Let the report count, and answer something else than that."""

    def meet(office: Office, came: Came, handler: BaseHTTPRequestHandler) -> None:
        office.take(came)
        _answer(handler, status, body)

    return meet


def takes_and_breaks_off(office: Office, came: Came, handler: BaseHTTPRequestHandler) -> None:
    """Let the report count, and break off in the middle of the answer."""
    office.take(came)
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"receipt": {"numb')


def takes_and_waits(seen: threading.Event, over: threading.Event) -> Fault:
    """Let the report count, and answer only when it is over."""

    def meet(office: Office, came: Came, handler: BaseHTTPRequestHandler) -> None:
        office.take(came)
        seen.set()
        over.wait(60)

    return meet


@contextmanager
def open_office() -> Generator[Office]:
    """Open an office until the block ends."""
    office = Office()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(office))
    server.daemon_threads = False
    office.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield office
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler_of(office: Office) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            if self.path == "/token":
                office.tokens += 1
                token = {"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600}
                _answer(self, 200, json.dumps(token).encode())
                return
            came = Came(self.command, self.path, headers, body)
            office.came.append(came)
            if office.faults:
                office.faults.pop(0)(office, came, self)
                return
            status, answer = office.take(came)
            _answer(self, status, json.dumps(answer).encode())

        do_PUT = do_POST  # noqa: N815 (the standard library's names)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


def _answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
