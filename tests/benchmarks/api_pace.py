"""How much of a provider's limit the api connector uses, and that it never asks too often.

Run as `python -m tests.benchmarks.api_pace --requests N`; the exit status tells whether both hold.
The provider allows ten requests in any second, as it counts them itself, and answers 429 to more.
"""

import argparse
import sys
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler
from time import monotonic

from shared.connectors.api.config import ApiConfig
from shared.connectors.sandbox import shut_in
from tests.connectors.api.readings import Reader
from tests.egress.hostile import Hostile, hostile_server

TARGET = 0.9
LIMIT = 10


class Provider:
    """Counts the requests of the second before each, and gives one record a page."""

    def __init__(self, pages: int) -> None:
        self.times: list[float] = []
        self.refused = 0
        self.most = 0
        self._pages = pages
        self._second: deque[float] = deque()
        self._lock = threading.Lock()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            status = self._count(monotonic())
            page = len(self.times)
        body = b'[{"id": %d}]' % page if page < self._pages else b"[]"
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _count(self, now: float) -> int:
        while self._second and now - self._second[0] >= 1:
            self._second.popleft()
        self._second.append(now)
        self.times.append(now)
        self.most = max(self.most, len(self._second))
        is_too_many = len(self._second) > LIMIT
        self.refused += is_too_many
        return 429 if is_too_many else 200


def _config(server: Hostile) -> ApiConfig:
    stream = {
        "name": "orders",
        "path": "/orders",
        "primary_key": ["id"],
        "pagination": {"type": "page_number"},
    }
    return ApiConfig.model_validate(
        {"base_url": server.url(""), "requests_per_second": LIMIT, "streams": [stream]}
    )


def main() -> int:
    """Print what the provider counted; return 0 if it refused nothing and `TARGET` is reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200)
    given = parser.parse_args()
    shut_in()
    provider = Provider(given.requests)
    with hostile_server() as server:
        server.answers["/orders"] = provider.answer
        Reader(_config(server)).read_whole()
    elapsed = provider.times[-1] - provider.times[0]
    used = (len(provider.times) - 1) / elapsed / LIMIT
    print(f"requests  {len(provider.times)} in {elapsed:.1f} s")
    print(f"refused   {provider.refused}, to hold: none")
    print(f"most      {provider.most} in a second, of {LIMIT}")
    print(f"used      {used:.3f} of the limit, to hold: at least {TARGET}")
    return 0 if provider.refused == 0 and used >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
