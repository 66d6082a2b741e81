"""Authorizing over the API and in the browser: whom it is for, and what the person sees."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Request

from shared.domain.access import Role
from shared.flow.gate import Gate
from shared.flow.manage import create_api_key
from shared.web import oauth_callback
from shared.web.app import create_app
from shared.web.oauth_callback import answer_callback
from shared.wiring import Wiring
from tests.authorization_server import AuthorizationServer, authorization_server
from tests.conftest import DatabaseUrlOf
from tests.factories import Tenant
from tests.web.conftest import Caller

PUBLIC_URL, REDIRECT_URL = "http://127.0.0.1:1", "http://127.0.0.1:2/"


@pytest.fixture
def server() -> Iterator[AuthorizationServer]:
    with authorization_server() as server:
        yield server


@pytest.fixture
def home(wiring: Wiring) -> Iterator[Wiring]:
    """Return a deployment that is set up for authorizations and may reach this machine."""
    settings = replace(
        wiring.settings,
        allowed_networks=(ip_network("127.0.0.0/8"),),
        oauth_redirect_url=REDIRECT_URL,
        public_url=PUBLIC_URL,
    )
    home = Wiring(settings, service="api")
    yield home
    home.close()


@pytest.fixture
def callbacks(home: Wiring, database_url_of: DatabaseUrlOf) -> Iterator[Wiring]:
    """Return the same deployment as its oauth_callback sees it, with the rights that has."""
    url = database_url_of("oauth_callback")
    callbacks = Wiring(replace(home.settings, database_url=url), service="oauth_callback")
    yield callbacks
    callbacks.close()


@pytest.fixture
def ann(home: Wiring, alice: Caller) -> Caller:
    """Return Alice at home."""
    return replace(alice, client=create_app(home).test_client())


@pytest.fixture
def connector(ann: Caller, server: AuthorizationServer) -> str:
    body = {"type": "api", "name": "Orders", "config": server.config()}
    answer = ann.post("/api/v2/connectors", body)
    assert (answer.status_code, answer.json["status"]) == (201, "pending_authorization")
    return answer.headers["Location"]


@pytest.fixture
def browser(callbacks: Wiring, queue_client: object) -> Client:
    """Return a browser that a provider sends back."""

    @Request.application
    def callback(request: Request) -> object:
        return answer_callback(callbacks, request)

    return Client(callback)


def come_back(
    browser: Client, server: AuthorizationServer, url: str, **changed: str
) -> TestResponse:
    return browser.get(f"/?{urlencode({**server.visit(url), **changed})}")


def test_an_editor_gets_the_address_of_the_provider(ann: Caller, connector: str) -> None:
    answer = ann.post(f"{connector}/authorize")
    assert answer.status_code == 200
    assert set(answer.json) == {"authorization_url", "expires_at"}
    assert "/authorize?" in answer.json["authorization_url"]


def test_it_needs_no_body_and_refuses_one_that_it_does_not_know(
    ann: Caller, connector: str
) -> None:
    headers = {"Authorization": f"Bearer {ann.key}"}
    assert ann.client.post(f"{connector}/authorize", headers=headers).status_code == 200
    assert ann.post(f"{connector}/authorize", {"redirect_uri": "x"}).status_code == 422
    answer = ann.post(f"{connector}/authorize", {"return_to": "https://evil.example"})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/return_to")


def test_it_is_for_editors_of_the_workspace(
    ann: Caller, bob: Caller, mallory: Caller, engine: Engine, tenant: Tenant, connector: str
) -> None:
    path = f"{connector}/authorize"
    editor = create_api_key(engine, tenant.workspace_id, name="eve", role=Role.EDITOR)
    statuses = [
        replace(ann, key=key).post(path).status_code for key in (editor, bob.key, mallory.key, "")
    ]
    assert statuses == [200, 403, 404, 401]


def test_a_connector_without_an_authorization_has_none_to_ask_for(ann: Caller) -> None:
    connector = ann.new_connector()
    answer = ann.post(f"/api/v2/connectors/{connector}/authorize")
    assert (answer.status_code, answer.json["code"]) == (409, "no_authorization_needed")


def test_a_deployment_without_the_callbacks_address_logs_which_variable_is_missing(
    alice: Caller, connector: str, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    assert alice.post(f"{connector}/authorize").status_code == 500
    assert "SYNCLINE_OAUTH_REDIRECT_URL" in str([vars(record) for record in caplog.records])


def test_a_callback_that_finds_no_room_says_when_to_come_again(
    ann: Caller,
    connector: str,
    server: AuthorizationServer,
    browser: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = Gate(at_once=0, of_one=0, what="authorizations", pause=timedelta(seconds=5))
    path = (
        f"/?{urlencode(server.visit(ann.post(f'{connector}/authorize').json['authorization_url']))}"
    )
    with monkeypatch.context() as patch:
        patch.setattr(oauth_callback, "_gate", full)
        answer = browser.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
    assert "Reload this page" in answer.text
    assert browser.get(path).status_code == 200


def test_the_person_sees_a_page_that_nothing_can_be_done_with(
    ann: Caller, connector: str, server: AuthorizationServer, browser: Client
) -> None:
    url = ann.post(f"{connector}/authorize").json["authorization_url"]
    answer = come_back(browser, server, url)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert "first sync starts now" in answer.text
    assert "<script" not in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert ann.get(connector).json["status"] == "connected"
    assert "canary" not in ann.get(connector).text


def test_the_browser_goes_back_to_where_it_came_from(
    ann: Caller, connector: str, server: AuthorizationServer, browser: Client
) -> None:
    for path, denies, ending in (
        ("/connectors", False, "connected"),
        ("/connectors?tab=1", True, "denied"),
    ):
        server.denies = denies
        begun = ann.post(f"{connector}/authorize", {"return_to": path}).json
        answer = come_back(browser, server, begun["authorization_url"])
        assert answer.status_code == 303
        said = urlencode({"authorization": ending, "connector": connector.rsplit("/", 1)[1]})
        sign = "&" if "?" in path else "?"
        assert answer.headers["Location"] == f"{PUBLIC_URL}{path}{sign}{said}"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_refusal_a_failure_and_a_repeat_each_have_a_page(
    ann: Caller, connector: str, server: AuthorizationServer, browser: Client
) -> None:
    def begin() -> str:
        return ann.post(f"{connector}/authorize").json["authorization_url"]

    server.denies = True
    refused = come_back(browser, server, begin(), error_description="<b>canary</b>")
    assert (refused.status_code, "was not allowed" in refused.text) == (200, True)
    assert "canary" not in refused.text
    server.denies = False
    failed = come_back(browser, server, begin(), code="nonsense")
    assert (failed.status_code, "authorize the connector again" in failed.text) == (424, True)
    brought = server.visit(begin())
    assert browser.get(f"/?{urlencode(brought)}").status_code == 200
    again = browser.get(f"/?{urlencode(brought)}")
    assert (again.status_code, "used before" in again.text) == (400, True)


STRANGE = (
    "",
    "state=x",
    "code=x",
    "state=canary&code=canary",
    "state=a&state=b&code=c",
    f"state={'A' * 43}&code={'c' * 5_000}",
    f"state={'A' * 43}&error=",
    "state=%FF&code=%00",
)


def test_what_no_provider_sends_is_a_page_and_no_error(browser: Client) -> None:
    for query in STRANGE:
        answer = browser.get(f"/?{query}")
        assert answer.status_code == 400
        assert "authorize it again" in answer.text
        assert "canary" not in answer.text


def test_only_a_visit_uses_up_an_authorization(
    ann: Caller, connector: str, server: AuthorizationServer, browser: Client
) -> None:
    url = ann.post(f"{connector}/authorize").json["authorization_url"]
    path = f"/?{urlencode(server.visit(url))}"
    assert browser.head(path).status_code == 405
    assert browser.post(path).status_code == 405
    assert browser.get(path).status_code == 200


def test_trouble_of_ours_is_a_page_without_its_words(
    engine: Engine, browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE oauth_state RENAME TO canary"))
    answer = browser.get(f"/?state={'A' * 43}&code=c")
    assert (answer.status_code, "canary" in answer.text) == (500, False)
    assert "request_failed" in str([vars(record) for record in caplog.records])
