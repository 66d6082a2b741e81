"""Functions as functions-framework serves them, over HTTP in threads of this process."""

import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import functions_framework
import pytest
from flask import Flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from infra.local.ports import HOST, free_port
from shared.gcp.oidc import callers_of_dispatcher, callers_of_worker
from shared.wiring import wire
from tests.faults.patience import outlast_heartbeats

_FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
_POLL_SECONDS = 0.02

_App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Handler(WSGIRequestHandler):
    # A connection ends with its answer, so that a server that is closed is away for everybody.
    protocol_version = "HTTP/1.0"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 (its base names it)
        """Say nothing: every answer is counted."""


class _Server(ThreadedWSGIServer):
    # Its base forgets the threads of requests; this one waits for them before it is closed.
    daemon_threads = False


@dataclass
class Edge:
    """A function, where it listens, and what it answered."""

    name: str
    app: _App
    port: int = field(default_factory=free_port)
    answers: Counter[str] = field(default_factory=Counter[str])
    """By status line."""

    @property
    def url(self) -> str:
        """Return what Cloud Tasks or Cloud Scheduler calls."""
        return f"http://{HOST}:{self.port}/"

    @contextmanager
    def listening(self) -> Generator[None, None, None]:
        """Answer for the length of the block.

        Afterwards every request that came has ended, and connections are refused.
        """
        server = _Server(HOST, self.port, self._count, _Handler)
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _count(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        def start_and_count(status: str, *rest: Any) -> Any:
            self.answers[status] += 1
            return start(status, *rest)

        return self.app(environ, start_and_count)


@contextmanager
def loaded(*names: str) -> Generator[list[Edge], None, None]:
    """Load functions cold; each reads the environment with its first request."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with pytest.MonkeyPatch.context() as patch:
        # The framework loads every function as the module `main` and appends its folder to the
        # path.
        patch.setattr(sys, "path", list(sys.path))
        patch.setitem(sys.modules, "main", sys.modules[__name__])
        _forget()
        try:
            yield [Edge(name, _load(name)) for name in names]
        finally:
            outlast_heartbeats()
            for name in names:
                wire(name).close()
            _forget()
            root.handlers[:] = handlers
            root.setLevel(level)


def _load(name: str) -> _App:
    app = functions_framework.create_app(target=name, source=str(_FUNCTIONS / name / "main.py"))
    assert isinstance(app, Flask)
    return app.wsgi_app


def _forget() -> None:
    for cache in (wire, callers_of_dispatcher, callers_of_worker):
        cache.cache_clear()
