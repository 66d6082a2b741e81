"""A GraphQL server on loopback as Xledger's is: connections, tokens, credits, and queued faults."""

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from flask import Flask, Response, jsonify, request
from graphql import (
    ExecutionResult,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    build_schema,
    execute,
    parse,
    specified_rules,
    validate,
)
from werkzeug.serving import WSGIRequestHandler, make_server

TOKEN = "canary-token-5c1e"
Node = dict[str, Any]
Fault = Callable[[], Response]

_SCHEMA = build_schema(
    """
    scalar DateTimeString
    scalar MoneyString
    scalar Int64String
    enum OwnerSet { ALL CURRENT }
    enum State { OPEN CLOSED }
    input ProjectFilter {
      modifiedAt_gte: DateTimeString
      modifiedAt_lte: DateTimeString
      createdAt_gte: DateTimeString
      dbId_gte: String
      seconds_gte: Int
      billable: Boolean
    }
    type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! endCursor: String }
    type Line { text: String amount: MoneyString }
    type Project {
      dbId: Int64String!
      code: String
      amount: MoneyString
      hours: Float
      count: Int
      seconds: Int
      billable: Boolean
      state: State
      tags: [String!]
      createdAt: DateTimeString
      modifiedAt: DateTimeString
      closedAt: DateTimeString
      mainProject: Project
      lines: [Line!]
      children(first: Int!): [Project!]
    }
    type ProjectEdge { cursor: String node: Project }
    type ProjectConnection { edges: [ProjectEdge] pageInfo: PageInfo! }
    type Balance { amount: MoneyString }
    type BalanceEdge { cursor: String node: Balance }
    type BalanceConnection { edges: [BalanceEdge] pageInfo: PageInfo! }
    type Account { id: ID! code: String }
    type AccountEdge { cursor: String! node: Account! }
    type AccountConnection { edges: [AccountEdge!]! pageInfo: PageInfo! }
    type RateLimit { remaining: Int! resetAt: String! }
    type Company { projects(first: Int, after: String, since: DateTimeString): ProjectConnection }
    type Query {
      projects(
        first: Int, last: Int, after: String, filter: ProjectFilter, ownerSet: OwnerSet
      ): ProjectConnection
      accounts(first: Int = 10, after: String): AccountConnection!
      balances(first: Int, after: String): BalanceConnection
      entries(first: Int, after: String, year: Int!): ProjectConnection
      project(dbId: ID): Project
      company: Company
      rateLimit: RateLimit
    }
    type Mutation { removeProjects(dbIds: [Int64String!]): Int }
    """
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the server saw it, and when."""

    query: str
    variables: Mapping[str, Any]
    headers: Mapping[str, str]
    at: float


@dataclass
class GraphQlServer:
    """The server: `projects` in their order, `faults` first come first served.

    Each node that is asked for costs one of the `credits`; None is as many as anyone wants.
    `reset_at` is what it says of new ones. `broken` are nodes by key whose code cannot be had.
    """

    port: int = 0
    projects: list[Node] = field(default_factory=list[Node])
    accounts: list[Node] = field(default_factory=list[Node])
    asked: list[Asked] = field(default_factory=list[Asked])
    faults: list[Fault | None] = field(default_factory=list["Fault | None"])
    always: Fault | None = None
    after_page: Callable[[], None] = lambda: None
    credits: int | None = None
    reset_at: object = None
    is_open: bool = True
    """Whether it tells its schema."""
    has_end_cursors: bool = False
    most: int = 10_000
    broken: set[int] = field(default_factory=set[int])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    def variables(self, name: str) -> list[Any]:
        """Return what each request had as a variable."""
        return [one.variables.get(name) for one in self.asked]


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


def refuses(status: int = 200, *, data: object = None, **error: Any) -> Fault:
    """Answer with one error of GraphQL."""
    return says(status, {"data": data, "errors": [{"message": "canary-message", **error}]})


@contextmanager
def graphql_server() -> Generator[GraphQlServer]:
    """Serve until the block ends."""
    server = GraphQlServer()
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


def _app(server: GraphQlServer) -> Flask:
    app = Flask("graphql_server")
    app.json.sort_keys = False

    @app.post("/graphql")
    def graphql() -> Response:
        given = request.get_json()
        server.asked.append(
            Asked(given["query"], given["variables"], dict(request.headers), monotonic())
        )
        fault = server.faults.pop(0) if server.faults else server.always
        response = _answer(server, given) if fault is None else fault()
        server.after_page()
        return response

    return app


def _answer(server: GraphQlServer, given: Mapping[str, Any]) -> Response:
    if request.headers.get("Authorization") != f"token {TOKEN}":
        return refuses(401, message="Bad format for API Token. canary-message")()
    if server.credits is not None and server.credits <= 0:
        extensions = {"resetAt": server.reset_at}
        code = "BAD_REQUEST.INSUFFICIENT_CREDITS"
        return refuses(code=code, extensions=extensions)()
    if server.credits is not None:
        server.credits -= given["variables"].get("first", 1)
    body = dict(_executed(server, given).formatted)
    if server.credits is not None:
        left = {"remaining": server.credits, "resetAt": server.reset_at}
        body["extensions"] = {"rateLimit": left}
    response = jsonify(body)
    response.headers["X-Credits"] = str(server.credits)
    return response


def _executed(server: GraphQlServer, given: Mapping[str, Any]) -> ExecutionResult:
    document = parse(given["query"])
    rules = (
        specified_rules if server.is_open else (*specified_rules, NoSchemaIntrospectionCustomRule)
    )
    errors = validate(_SCHEMA, document, rules)
    if errors:
        return ExecutionResult(data=None, errors=errors)
    result = execute(_SCHEMA, document, _Root(server), variable_values=dict(given["variables"]))
    assert isinstance(result, ExecutionResult)
    return result


class _Root:
    """What the fields of the root query give."""

    def __init__(self, server: GraphQlServer) -> None:
        self._server = server
        self.company = self

    def projects(self, _: object, **asked: Any) -> Node:
        given = asked.get("filter") or {}
        since = given.get("modifiedAt_gte", asked.get("since")) or ""
        found = [
            node
            for node in self._server.projects
            if since <= str(node.get("modifiedAt", "~")) <= given.get("modifiedAt_lte", "~~")
            and given.get("seconds_gte", 0) <= node.get("seconds", 0)
            and given.get("billable") in (None, node.get("billable"))
        ]
        return self._connection(found, asked)

    def entries(self, _: object, **asked: Any) -> Node:
        return self._connection(self._server.projects, asked)

    def accounts(self, _: object, **asked: Any) -> Node:
        return self._connection(self._server.accounts, asked)

    def rateLimit(self, _: object) -> Node:  # noqa: N802 (as the field is called)
        return {"remaining": self._server.credits, "resetAt": self._server.reset_at}

    def _connection(self, nodes: list[Node], asked: Mapping[str, Any]) -> Node:
        keys = [f"c{node.get('dbId', node.get('id'))}" for node in nodes]
        start, after = 0, asked.get("after")
        if after is not None:
            if after not in keys:
                raise GraphQLError("canary-message", extensions={"code": "INVALID_VALUE"})
            start = keys.index(after) + 1
        end = start + min(asked.get("first") or 100, self._server.most)
        edges = [
            {"cursor": key, "node": self._resolved(node)}
            for key, node in zip(keys[start:end], nodes[start:end], strict=True)
        ]
        info: Node = {"hasNextPage": end < len(nodes), "hasPreviousPage": start > 0}
        if self._server.has_end_cursors and edges:
            info["endCursor"] = edges[-1]["cursor"]
        return {"edges": edges, "pageInfo": info}

    def _resolved(self, node: Node) -> Node:
        def broken(_: object) -> str:
            raise GraphQLError("canary-message")

        return {**node, "code": broken} if node.get("dbId") in self._server.broken else node
