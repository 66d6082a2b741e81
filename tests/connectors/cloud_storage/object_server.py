"""What the servers of Google's and of Azure's API have in common: objects, ranges, conditions.

The emulators that can be installed check neither logins nor conditions, or need another language:
these do, for the calls that the connector makes, and refuse what they do not know.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

PAGE = 2
"""How many objects a page has, whatever is asked for."""


@dataclass(frozen=True, slots=True)
class Stored:
    content: bytes
    version: str
    modified_at: datetime


@dataclass(slots=True)
class Objects:
    """The objects of one bucket or container."""

    name: str
    stored: dict[str, Stored] = field(default_factory=dict[str, Stored])
    requests: list[str] = field(default_factory=list[str])
    _versions: int = 1_000

    def put(self, key: str, content: bytes) -> None:
        self._versions += 1
        at = datetime.now(UTC).replace(microsecond=0)
        self.stored[key] = Stored(content, str(self._versions), at)

    def delete(self, key: str) -> None:
        del self.stored[key]

    def page(self, prefix: str, marker: str) -> tuple[list[tuple[str, Stored]], str]:
        """Return a page of objects behind a marker, and the next marker."""
        found = sorted(item for item in self.stored.items() if item[0].startswith(prefix))
        behind = [item for item in found if item[0] > marker]
        return behind[:PAGE], behind[PAGE - 1][0] if len(behind) > PAGE else ""


class Answer(Exception):  # noqa: N818 (it is what a handler says, wherever it says it)
    """A response."""

    def __init__(
        self, status: HTTPStatus, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers or {}


class Handler(BaseHTTPRequestHandler):
    """Answers by `respond`, which raises what it has to say."""

    protocol_version = "HTTP/1.1"

    def respond(self) -> None:
        raise NotImplementedError

    @property
    def path_parts(self) -> list[str]:
        return [unquote(part) for part in urlsplit(self.path).path.split("/")[1:]]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    def part_of(self, stored: Stored, headers: dict[str, str]) -> Answer:
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        if first >= len(stored.content):
            return Answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        return Answer(HTTPStatus.PARTIAL_CONTENT, stored.content[first : last + 1], headers)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        try:
            self.respond()
        except Answer as answer:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name)
        pass


@contextmanager
def serving(handler: type[Handler]) -> Generator[int]:
    """Serve on a free port of the loopback interface until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
