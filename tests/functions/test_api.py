"""The api as a browser or a program calls it; its pages are tested in tests/web."""

import pytest
from sqlalchemy import Engine, text

from shared.domain.access import Role
from shared.flow.manage import create_api_key
from tests.factories import make_tenant
from tests.functions.conftest import AWAY, Logged, Serve


def test_health_is_served_through_the_function(serve: Serve) -> None:
    answer = serve("api").get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_instance_with_a_database_is_ready(serve: Serve) -> None:
    assert serve("api").get("/readyz").status_code == 200


def test_an_instance_whose_database_is_away_is_alive_and_not_ready(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCLINE_DATABASE_URL", AWAY)
    api = serve("api")
    assert api.get("/healthz").status_code == 200
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json) == (
        503,
        {"status": "database_unavailable", "last_tick_age_seconds": None},
    )


def test_an_instance_whose_login_may_not_serve_is_alive_and_not_ready(
    serve: Serve, engine: Engine, logged: Logged
) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE sync_schedule NO FORCE ROW LEVEL SECURITY"))
    api = serve("api")
    assert api.get("/healthz").status_code == 200
    logged.read()
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json) == (
        503,
        {"status": "deployment", "last_tick_age_seconds": None},
    )
    _, [line] = logged.read()
    assert "The table sync_schedule does not force" in line["reason"]


def test_a_page_without_a_key_is_a_problem(serve: Serve) -> None:
    answer = serve("api").get("/api/v2/connectors")
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")


def test_a_path_that_does_not_exist_is_a_problem_of_the_api(serve: Serve) -> None:
    answer = serve("api").get("/api/v2/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_a_key_opens_the_api_over_several_requests(serve: Serve, engine: Engine) -> None:
    tenant = make_tenant(engine)
    key = create_api_key(engine, tenant.workspace_id, name="alice", role=Role.ADMIN)
    api = serve("api")
    for query in ("", "?limit=1"):
        answer = api.get(f"/api/v2/connectors{query}", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200, answer.text
