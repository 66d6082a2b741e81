import pytest
from flask import Flask

from shared.domain.access import Role
from shared.errors import ConfigurationError
from shared.web.operations import ANYONE, VERIFIED, Answers, operation_of, operations_of
from shared.web.routes import Routes
from tests.web.conftest import Caller

OPEN = {
    "is_alive",
    "is_ready",
    "read_metrics",
    "read_openapi",
    "receive_hook",
    "show_docs",
    "show_docs_asset",
}
SOMETHING = "00000000-0000-4000-8000-000000000000"
OK = Answers(200)


def with_routes(*declared: tuple[str, str]) -> Flask:
    """Return an application with a route for each path and id."""
    app = Flask("test", static_folder=None)
    routes = Routes("things", "/things", tag="Things")
    for number, (path, name) in enumerate(declared):

        def view() -> str:
            """Read a thing."""
            return ""

        view.__name__ = f"view{number}"
        routes.on("GET", path, name, Role.VIEWER, OK)(view)
    app.register_blueprint(routes.blueprint)
    return app


def path_of(rule: str) -> str:
    """Return a path that a rule matches, and that leads to nothing."""
    parts = rule.split("/")
    return "/".join(
        SOMETHING if part.startswith("<uuid:") else "x" if part.startswith("<") else part
        for part in parts
    )


def test_every_route_of_the_application_is_declared(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        operation = operation_of(app.view_functions[rule.endpoint])
        assert operation is not None, rule.rule
        assert rule.rule == operation.path
        assert operation.method in (rule.methods or ())


def test_a_route_that_nobody_declared_is_refused_at_the_start() -> None:
    app = with_routes()
    app.add_url_rule("/secret", view_func=lambda: "")
    with pytest.raises(ConfigurationError, match="/secret"):
        operations_of(app)


def test_an_id_is_of_one_route() -> None:
    with pytest.raises(ConfigurationError, match="read_thing"):
        operations_of(with_routes(("/a", "read_thing"), ("/b", "read_thing")))


@pytest.mark.parametrize("name", ["", "x", "Read", "read thing"])
def test_an_id_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="/things/a"):
        with_routes(("/a", name))


def test_a_route_of_which_nothing_is_said_is_refused() -> None:
    def view() -> None: ...

    with pytest.raises(ConfigurationError, match="/things"):
        Routes("things", "/things", tag="Things").on("GET", "", "read_thing", Role.VIEWER, OK)(view)


def test_the_routes_that_are_open_are_these(app: Flask) -> None:
    # Whoever opens another one writes it here, by its whole name.
    found = {one.id for one in operations_of(app) if one.access == ANYONE}
    assert found == OPEN


def test_the_routes_that_demand_no_role_are_these(app: Flask) -> None:
    found = {one.id for one in operations_of(app) if one.access == VERIFIED}
    assert found == {"list_own_workspaces"}


def test_every_other_route_refuses_a_stranger_before_it_looks_at_anything_else(
    app: Flask, stranger: Caller
) -> None:
    for operation in operations_of(app):
        if operation.access == ANYONE:
            continue
        answer = stranger.client.open(path_of(operation.path), method=operation.method, data="{")
        assert answer.status_code == 401, operation.id


def test_every_route_refuses_a_key_of_a_lesser_role(app: Flask, bob: Caller) -> None:
    for operation in operations_of(app):
        if operation.access in (ANYONE, VERIFIED, Role.VIEWER):
            continue
        answer = bob.client.open(
            path_of(operation.path),
            method=operation.method,
            headers={"Authorization": f"Bearer {bob.key}"},
        )
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden"), operation.id


def test_what_changes_something_needs_more_than_a_viewer(app: Flask) -> None:
    reading = {"preview_timing"}
    for operation in operations_of(app):
        if operation.method != "GET" and operation.access != ANYONE:
            assert operation.access != Role.VIEWER or operation.id in reading, operation.id
