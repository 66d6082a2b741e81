"""An OData v4 service on loopback, as Business Central and Dataverse are, with faults on demand."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import simplejson
from flask import Flask, Response, jsonify, request
from odata_query.exceptions import ODataException
from odata_query.sqlalchemy import apply_odata_core
from sqlalchemy import (
    MetaData,
    Select,
    StaticPool,
    create_engine,
    delete,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from werkzeug.serving import make_server

from tests.connectors.api.server import Fault, _Quiet, says
from tests.connectors.dynamics.tables import ENTITIES, Entity, edmx

Record = dict[str, Any]
TENANT = "contoso.onmicrosoft.com"
CLIENT = "11111111-2222-3333-4444-555555555555"
SECRET = "canary-7f3a"


class Asked(NamedTuple):
    """One request as the service saw it."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class Track(NamedTuple):
    """Which changes a client asks for: after a version, or of everything if it has none."""

    after: int | None


@dataclass
class ODataServer:
    """The service. Faults are by the last part of a path, first come first served."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list[Asked])
    faults: defaultdict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    always: dict[str, Fault] = field(default_factory=dict[str, Fault])
    after_page: Callable[[], None] = lambda: None
    tokens: list[str] = field(default_factory=list[str])
    document: str = field(default_factory=edmx)
    most: int = 3
    """How many records a page has at most, whatever is asked for."""
    has_relative_links: bool = False
    is_tracking: bool = True
    sorts: bool = True
    expired: Fault | None = None
    deleted: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    version: int = 100
    date: str | None = None

    def __post_init__(self) -> None:
        self.engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        self.lock = threading.Lock()
        metadata = MetaData()
        self.tables = {one.name: (one, one.table(metadata)) for one in ENTITIES}
        metadata.create_all(self.engine)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def names(self) -> list[str]:
        """Return the last part of the path of each request."""
        return [one.path.rsplit("/", 1)[-1] for one in self.asked]

    def queries(self, name: str, option: str) -> list[str | None]:
        """Return what each request for an entity set had as an option."""
        return [one.query.get(option) for one in self.asked if one.path.rsplit("/", 1)[-1] == name]

    def add(self, name: str, *records: Record, company: str = "") -> None:
        entity, table = self.tables[name]
        with self.lock, self.engine.begin() as connection:
            for record in records:
                self.version += 1
                row = {key: _stored(entity, key, value) for key, value in record.items()}
                full = {key: row.get(key) for key in entity.types}
                connection.execute(
                    insert(table).values({**full, "_company": company, "_version": self.version})
                )

    def change(self, name: str, key: str, /, **values: Any) -> None:
        entity, table = self.tables[name]
        row = {key_: _stored(entity, key_, value) for key_, value in values.items()}
        with self.lock, self.engine.begin() as connection:
            self.version += 1
            connection.execute(
                update(table)
                .where(table.c[entity.key[0]] == key)
                .values({**row, "_version": self.version})
            )

    def remove(self, name: str, key: str) -> None:
        entity, table = self.tables[name]
        with self.lock, self.engine.begin() as connection:
            self.version += 1
            connection.execute(delete(table).where(table.c[entity.key[0]] == key))
            self.deleted.append((self.version, name, key))


@contextmanager
def odata_server() -> Generator[ODataServer]:
    """Serve until the block ends."""
    server = ODataServer()

    class Handler(_Quiet):
        def date_time_string(self, timestamp: float | None = None) -> str:
            """Tell the time that the test has set."""
            return server.date or super().date_time_string(timestamp)

    http = make_server("127.0.0.1", 0, _app(server), threaded=True, request_handler=Handler)
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
        server.engine.dispose()


def refuses(status: int, code: str) -> Fault:
    """Answer with an error as OData has it; its message is not to be shown."""
    return says(status, {"error": {"code": code, "message": f"{SECRET} is not right"}})


def _app(server: ODataServer) -> Flask:
    app = Flask("odata_server")

    @app.before_request
    def meet() -> Response | None:
        server.asked.append(Asked(request.path, request.args.to_dict(), dict(request.headers)))
        name = request.path.rsplit("/", 1)[-1]
        if server.faults[name]:
            return server.faults[name].pop(0)()
        if name in server.always:
            return server.always[name]()
        is_open = name == "token"
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return None if is_open or token in server.tokens[-1:] else says(401)()

    @app.after_request
    def turn(response: Response) -> Response:
        server.after_page()
        return response

    @app.post(f"/{TENANT}/oauth2/v2.0/token")
    def token() -> Response:
        expected = {
            "grant_type": "client_credentials",
            "client_id": CLIENT,
            "client_secret": SECRET,
            "scope": f"{server.url}/.default",
        }
        if request.form.to_dict() != expected:
            return says(401, {"error": "invalid_client", "error_description": SECRET})()
        server.tokens.append(f"token-{len(server.tokens) + 1}")
        return jsonify(access_token=server.tokens[-1], token_type="Bearer", expires_in=3599)

    @app.get(f"/v2.0/{TENANT}/production/api/v2.0/$metadata")
    @app.get("/api/data/v9.2/$metadata")
    def metadata() -> Response:
        return Response(server.document, content_type="application/xml")

    _add_sets(app, server)
    return app


def _add_sets(app: Flask, server: ODataServer) -> None:
    @app.get(f"/v2.0/{TENANT}/production/api/<path:route>/companies(<company>)/<name>")
    def of_company(route: str, company: str, name: str) -> Response:
        if route != "v2.0":
            return refuses(404, "BadRequest_ResourceNotFound")()
        _, table = server.tables["companies"]
        with server.lock, server.engine.begin() as connection:
            found = connection.execute(select(table).where(table.c.id == company)).first()
        if found is None:
            return refuses(404, "Internal_CompanyNotFound")()
        return _answer(server, name, company)

    @app.get(f"/v2.0/{TENANT}/production/api/v2.0/companies")
    def companies() -> Response:
        return _answer(server, "companies", "")

    @app.get("/api/data/v9.2/<name>")
    def of_organization(name: str) -> Response:
        return _answer(server, name, "")


def _answer(server: ODataServer, name: str, company: str) -> Response:
    if name not in server.tables:
        return refuses(404, "BadRequest_ResourceNotFound")()
    try:
        with server.lock:
            return _Answer(server, name, company).response()
    except (ODataException, KeyError, TypeError):
        return refuses(400, "BadRequest_InvalidRequestUrl")()


class _Answer:
    """One page of one entity set."""

    def __init__(self, server: ODataServer, name: str, company: str) -> None:
        self._server = server
        self._entity, self._table = server.tables[name]
        self._company = company
        preferences = request.headers.get("Prefer", "").split(",")
        sizes = [one.partition("=")[2] for one in preferences if "maxpagesize" in one]
        self._size = min([server.most, *map(int, sizes)])
        token = request.args.get("$deltatoken")
        wants = "odata.track-changes" in preferences or token is not None
        self._track = Track(None if token is None else int(token)) if wants else None

    def response(self) -> Response:
        if self._track is not None and self._server.is_tracking:
            return self._tracked(self._track)
        order = self._order()
        query = self._query(order)
        rows = self._rows(query.limit(self._size + 1))
        body: Record = {"@odata.context": "$metadata", "value": self._shown(rows[: self._size])}
        if len(rows) > self._size:
            last = [_plain(rows[self._size - 1][name]) for name in order]
            body["@odata.nextLink"] = self._link("$skiptoken", json.dumps(last))
        return _json(body)

    def _tracked(self, track: Track) -> Response:
        if {"$filter", "$orderby", "$top", "$expand"} & set(request.args):
            return refuses(400, "0x80060888")()
        if track.after is not None and self._server.expired is not None:
            return self._server.expired()
        after = 0 if track.after is None else track.after
        start = int(request.args.get("$skiptoken", after))
        table = self._table
        query = select(table).where(table.c["_version"] > start).order_by(table.c["_version"])
        rows = self._rows(query.limit(self._size + 1))
        body: Record = {"@odata.context": "$metadata", "value": self._shown(rows[: self._size])}
        if len(rows) > self._size:
            body["@odata.nextLink"] = self._link(
                "$skiptoken", str(rows[self._size - 1]["_version"])
            )
        else:
            body["value"] += self._deleted(track.after)
            body["@odata.deltaLink"] = self._link("$deltatoken", str(self._server.version))
        return _json(body, {"Preference-Applied": "odata.track-changes"})

    def _deleted(self, after: int | None) -> list[Record]:
        context = f"{self._server.url}/$metadata#{self._entity.name}/$deletedEntity"
        return [
            {"@odata.context": context, "id": key, "reason": "deleted"}
            for version, name, key in self._server.deleted
            if after is not None and version > after and name == self._entity.name
        ]

    def _order(self) -> list[str]:
        names = [name for name in request.args.get("$orderby", "").split(",") if name]
        return list(dict.fromkeys([*names, *self._entity.key]))

    def _query(self, order: Sequence[str]) -> Select[Any]:
        table = self._table
        query = select(table)
        if "$filter" in request.args:
            query = apply_odata_core(query, request.args["$filter"])
        query = query.where(table.c["_company"] == self._company)
        columns = [table.c[name] for name in order]
        if "$skiptoken" in request.args:
            last = json.loads(request.args["$skiptoken"])
            values = [
                literal(
                    datetime.fromisoformat(value)
                    if self._entity.types[name] == "Edm.DateTimeOffset"
                    else value
                )
                for name, value in zip(order, last, strict=True)
            ]
            query = query.where(tuple_(*columns) > tuple_(*values))
        if self._server.sorts:
            return query.order_by(*columns)
        return query.order_by(*(table.c[name] for name in self._entity.key))

    def _rows(self, query: Select[Any]) -> list[Record]:
        with self._server.engine.begin() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _shown(self, rows: Sequence[Record]) -> list[Record]:
        chosen = request.args.get("$select", ",".join(self._entity.types)).split(",")
        names = list(dict.fromkeys([*self._entity.key, *chosen]))
        return [
            {
                "@odata.etag": 'W/"1"',
                **{
                    name: _written(self._entity, name, row[name])
                    for name in names
                    if self._entity.types[name] != "Edm.Stream"
                },
                "name@OData.Community.Display.V1.FormattedValue": "shown",
            }
            for row in rows
        ]

    def _link(self, name: str, value: str) -> str:
        kept = {key: text for key, text in request.args.items() if key != "$skiptoken"}
        if name == "$deltatoken":
            kept.pop("$deltatoken", None)
        query = "&".join(f"{key}={quote(text)}" for key, text in {**kept, name: value}.items())
        path = f"{request.path}?{query}"
        return path if self._server.has_relative_links else f"{self._server.url}{path}"


def _stored(entity: Entity, name: str, value: Any) -> Any:
    if value is None:
        return None
    if entity.types[name] == "Edm.DateTimeOffset":
        return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
    return value if entity.is_plain(name) else simplejson.dumps(value, use_decimal=True)


def _written(entity: Entity, name: str, value: Any) -> Any:
    if value is None:
        return None
    if entity.types[name] == "Edm.DateTimeOffset":
        return f"{value.isoformat(timespec='milliseconds')}Z"
    if entity.is_plain(name):
        return value
    return simplejson.loads(value, use_decimal=True)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _json(body: Record, headers: Mapping[str, str] | None = None) -> Response:
    text = simplejson.dumps(body, use_decimal=True)
    return Response(text, 200, headers, content_type="application/json")
