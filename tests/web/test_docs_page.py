"""The page of the API in a real browser, under its own policy."""

import re
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, Locator
from werkzeug.serving import make_server

from shared.web.operations import operations_of
from tests.browser import Visit, running_browser, visit
from tests.issuer import Issuer
from tests.web.conftest import Caller
from tests.web.people import Person


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with running_browser() as context:
        yield context


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Return where the application is served, until the test ends."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def docs(browser: BrowserContext, address: str) -> Iterator[Visit]:
    opened = visit(browser, f"{address}/api/v2/docs")
    opened.page.locator(".opblock").first.wait_for()
    yield opened
    opened.page.close()


def authorize(docs: Visit, **shown: str) -> None:
    """Fill in what is shown of oneself, by the names of the document's security schemes."""
    page = docs.page
    page.get_by_role("button", name="Authorize").first.click()
    for scheme, value in shown.items():
        name = page.locator("h4", has_text=re.compile(rf"^{scheme}\s"))
        form = page.locator(".auth-container", has=name)
        form.locator("input").fill(value)
        form.locator("button.authorize").click()
    page.locator(".btn-done").first.click()


def try_out(docs: Visit, operation: str, body: str | None = None) -> Locator:
    """Open an operation, send it as it stands, and return it once it is answered."""
    shown = docs.page.locator(f"[id$='-{operation}']")
    shown.locator(".opblock-summary-control").click()
    shown.get_by_role("button", name="Try it out").click()
    if body is not None:
        shown.locator("textarea.body-param__text").fill(body)
    shown.get_by_role("button", name="Execute").click()
    shown.locator(".live-responses-table tbody .response-col_status").wait_for()
    return shown


def status_of(tried: Locator) -> str:
    return tried.locator(".live-responses-table tbody .response-col_status").inner_text()


def test_the_page_shows_every_operation_and_asks_nobody_else_for_anything(
    docs: Visit, address: str, app: Flask
) -> None:
    assert docs.page.title() == "Syncline API"
    assert docs.page.locator(".opblock").count() == len(operations_of(app))
    assert docs.complaints == []
    assert {url for url in docs.asked if not url.startswith((f"{address}/api/v2/", "data:"))} == (
        set()
    )


def test_an_operation_is_tried_out_with_a_key_against_the_api_itself(
    docs: Visit, alice: Caller
) -> None:
    authorize(docs, api_key=alice.key)

    made = try_out(docs, "create_connector")  # the example of the document, as it is
    listed = try_out(docs, "list_connectors")

    assert (status_of(made), status_of(listed)) == ("201", "200")
    [connector] = alice.get("/api/v2/connectors").json["items"]
    assert connector["id"] in listed.locator(".live-responses-table").inner_text()
    assert docs.complaints == []


def test_a_person_names_the_workspace_that_they_speak_for(
    issuer: Issuer, docs: Visit, alice: Caller, mallory: Caller
) -> None:
    person = Person(alice.client, issuer)
    homes = {workspace: person.join(admin) for workspace, admin in (("a", alice), ("b", mallory))}
    authorize(docs, bearer_token=issuer.token(), workspace=homes["b"])

    listed = try_out(docs, "list_connectors")

    assert status_of(listed) == "200"
    assert homes["b"] in listed.locator(".curl-command").inner_text()
    assert docs.complaints == []


def test_a_refusal_is_shown_as_the_problem_that_it_is(docs: Visit, alice: Caller) -> None:
    authorize(docs, api_key=alice.key)
    refused = try_out(docs, "create_connector", '{"type": "database", "colour": "red"}')
    assert status_of(refused) == "422"
    assert "extra_forbidden" in refused.locator(".live-responses-table").inner_text()
