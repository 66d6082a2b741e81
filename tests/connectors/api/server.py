"""A REST server on loopback with every way of paging, and faults that a test queues."""

import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

Record = dict[str, Any]
Fault = Callable[[], Response]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the server saw it, and when."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    at: float


@dataclass
class RestServer:
    """The server: `records` in their order, `faults` by path, first come first served."""

    port: int = 0
    records: list[Record] = field(default_factory=list[Record])
    lines: dict[str, list[Record]] = field(default_factory=dict[str, list[Record]])
    asked: list[Asked] = field(default_factory=list[Asked])
    faults: defaultdict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    always: dict[str, Fault] = field(default_factory=dict[str, Fault])
    after_page: Callable[[], None] = lambda: None
    expires_in: object = 3600
    tokens: list[str] = field(default_factory=list[str])
    most: int = 1_000
    """How many records a page has at most, whatever is asked for."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    def queries(self, name: str) -> list[str | None]:
        """Return what each request had as a parameter."""
        return [one.query.get(name) for one in self.asked]


def says(status: int, body: object = b"", **headers: str) -> Fault:
    """Answer with a status, a body and headers; an underscore in their names is a dash."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer() -> Response:
        if isinstance(body, bytes):
            return Response(body, status, {"Content-Type": "application/json", **named})
        response = jsonify(body)
        response.status_code = status
        response.headers.update(named)
        return response

    return answer


@contextmanager
def rest_server() -> Generator[RestServer]:
    """Serve until the block ends."""
    server = RestServer()
    http = make_server("127.0.0.1", 0, _app(server), threaded=True, request_handler=_Quiet)
    http.daemon_threads = False
    server.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Say nothing: clients that hang up are what is tested."""


def _app(server: RestServer) -> Flask:
    app = Flask("rest_server")
    app.json.sort_keys = False

    @app.before_request
    def meet() -> Response | None:
        server.asked.append(
            Asked(
                request.method,
                request.path,
                request.args.to_dict(),
                dict(request.headers),
                request.get_json(silent=True) or request.form.to_dict(),
                monotonic(),
            )
        )
        if server.faults[request.path]:
            return server.faults[request.path].pop(0)()
        always = server.always.get(request.path)
        return None if always is None else always()

    @app.after_request
    def turn(response: Response) -> Response:
        server.after_page()
        return response

    _add_pages(app, server)
    _add_marks(app, server)
    _add_tokens(app, server)
    return app


def _number(name: str, default: int) -> int:
    return int(request.args.get(name, default))


def _piece(server: RestServer, start: int, size: int) -> tuple[list[Record], int | None]:
    """Return records, and the start of the next if there are more."""
    records = _asked_for(server.records)
    given = min(size, server.most)
    return records[start : start + given], start + given if start + given < len(records) else None


def _link(server: RestServer, start: int | None) -> str | None:
    if start is None:
        return None
    query = "&".join(
        f"{name}={value}" for name, value in {**request.args.to_dict(), "start": start}.items()
    )
    return f"{server.url}{request.path}?{query}"


def _add_pages(app: Flask, server: RestServer) -> None:
    @app.get("/plain")
    def plain() -> Response:
        return jsonify(_asked_for(server.records))

    @app.get("/wrapped")
    def wrapped() -> Response:
        return jsonify(data=_asked_for(server.records))

    @app.get("/pages")
    def pages() -> Response:
        size = _number("per_page", 100)
        data, _ = _piece(server, (_number("page", 1) - 1) * size, size)
        return jsonify(data=data, meta={"pages": -(-len(_asked_for(server.records)) // size)})

    @app.get("/offset")
    def offset() -> Response:
        data, _ = _piece(server, _number("offset", 0), _number("limit", 100))
        return jsonify(data=data, meta={"total": len(_asked_for(server.records))})


def _add_marks(app: Flask, server: RestServer) -> None:
    @app.get("/cursor")
    def cursor() -> Response:
        data, rest = _piece(server, _number("cursor", 0), _number("size", 100))
        return jsonify(data=data, meta={"next": rest and str(rest)})

    @app.post("/search")
    def search() -> Response:
        paging = request.get_json().get("paging", {})
        data, rest = _piece(server, int(paging.get("cursor", 0)), int(paging.get("size", 100)))
        return jsonify(data=data, next=rest or "")

    @app.get("/next_url")
    def next_url() -> Response:
        data, rest = _piece(server, _number("start", 0), _number("size", 100))
        return jsonify(data=data, links={"next": _link(server, rest)})

    @app.get("/link")
    def link_header() -> Response:
        data, rest = _piece(server, _number("start", 0), _number("size", 100))
        response = jsonify(data)
        if rest is not None:
            response.headers["Link"] = f'<{_link(server, rest)}>; rel="next", </>; rel="first"'
        return response

    @app.get("/orders/<order>/lines")
    def lines(order: str) -> Response:
        if order not in server.lines:
            return says(404)()
        start, size = _number("cursor", 0), _number("size", 100)
        rest = start + size < len(server.lines[order])
        data = server.lines[order][start : start + size]
        return jsonify(data=data, meta={"next": str(start + size) if rest else None})


def _asked_for(records: Sequence[Record]) -> list[Record]:
    since, before = request.args.get("since", ""), request.args.get("before", "~")
    return [one for one in records if since <= str(one.get("changed", "9")) <= before]


def _add_tokens(app: Flask, server: RestServer) -> None:
    @app.post("/token")
    def token() -> Response:
        server.tokens.append(f"token-{len(server.tokens) + 1}")
        answer = {"access_token": server.tokens[-1], "token_type": "Bearer"}
        if server.expires_in is not None:
            answer["expires_in"] = server.expires_in
        return jsonify(answer)

    @app.get("/guarded")
    def guarded() -> Response:
        if request.headers.get("Authorization") != f"Bearer {server.tokens[-1]}":
            return says(401)()
        return jsonify(server.records)
