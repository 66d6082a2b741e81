"""Secrets that Syncline makes itself, is configured with, or gets from a provider."""

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Response, request
from sqlalchemy import make_url
from standardwebhooks.webhooks import Webhook
from werkzeug.test import Client
from werkzeug.wrappers import Request

from infra.local.logins import with_login
from shared.flow import grants
from shared.web.oauth_callback import answer_callback
from shared.wiring import Wiring
from tests.authorization_server import SECRET, AuthorizationServer, authorization_server
from tests.isolation.clerk import Clerk
from tests.isolation.leaks import Sinks
from tests.isolation.plants import canary
from tests.isolation.world import World


@pytest.fixture
def clerk(world: World, worker: Wiring, sinks: Sinks) -> Clerk:
    return Clerk(world, worker, sinks)


@pytest.fixture
def browser(deployment: Wiring) -> Iterator[Client]:
    """Return a browser that a provider sends back to the deployment's oauth_callback."""
    url = with_login(deployment.settings.database_url, "oauth_callback")
    wiring = Wiring(replace(deployment.settings, database_url=url), service="oauth_callback")

    @Request.application
    def callback(came: Request) -> object:
        return answer_callback(wiring, came)

    yield Client(callback)
    wiring.close()


def test_the_secrets_of_webhook_endpoints_are_in_the_answers_that_show_them_and_nowhere_else(
    world: World, clerk: Clerk, sinks: Sinks
) -> None:
    connector = world.house.make("realtime")["connector"]
    secrets: list[str] = []
    for scheme in ("standard", "shared_secret"):
        body = {"connector_id": connector, "name": scheme, "scheme": scheme}
        once = {"Idempotency_Key": canary()}
        made = clerk.is_shown("POST", "webhook-endpoints", body, **once)
        clerk.sends("POST", "webhook-endpoints", body, **once)
        path = f"webhook-endpoints/{made['id']}"
        turned = clerk.is_shown("POST", f"{path}/rotate", {})
        secrets += [made["secret"], turned["secret"]]
        for secret in (made["secret"], turned["secret"], canary()):
            secrets.append(secret)
            headers = {"X-Webhook-Secret": secret} if scheme != "standard" else signed(secret)
            answer = world.nobody.app.test_client().post(f"/hooks/{made['id']}", headers=headers)
            sinks.answers.append(answer.text)
        clerk.sends("GET", path)
    clerk.reads_everything()
    known = {one.removeprefix("whsec_") for one in secrets}
    assert sinks.leaks_of(known) == {}


def signed(secret: str) -> dict[str, str]:
    """Return the headers of a message; what is no secret of the scheme signs nothing."""
    now = datetime.now(UTC)
    is_genuine = secret.startswith("whsec_")
    signature = Webhook(secret).sign("msg_1", now, "") if is_genuine else f"v1,{secret}"
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


def test_keys_passwords_and_what_the_deployment_is_set_up_with_are_told_to_nobody(
    world: World, clerk: Clerk, sinks: Sinks
) -> None:
    settings = sinks.settings
    reader = clerk.is_shown("POST", "dataset-reader")
    once, new = {"Idempotency_Key": canary()}, {"name": canary(), "role": "viewer"}
    key = clerk.is_shown("POST", "workspace/api-keys", new, **once)["key"]
    clerk.sends("POST", "workspace/api-keys", new, **once)
    connector = world.house.make("connector")["connector"]
    clerk.sends("GET", f"connectors/{connector}/dataset")
    report = world.house.make("report")["connector"]
    clerk.sends("GET", f"connectors/{report}/reports")
    guessed = f"{(world.alice.key or '')[:-1]}!"
    stranger = replace(world.alice, key=guessed).call("GET", "/api/v2/workspace")
    assert stranger.status_code == 401
    sinks.answers.append(stranger.text)
    clerk.sends("DELETE", "dataset-reader")
    clerk.reads_everything()

    people = (world.alice, world.bob, world.mallory)
    assert settings.keys.file is not None
    file = Path(settings.keys.file).read_text()
    secrets = {
        reader["password"],
        str(make_url(settings.dataset_url).password),
        str(settings.metrics_token),
        *once.values(),
        key.rsplit("_", 1)[1],
        file,
        b64decode(file).hex(),
        *((one.key or "").rsplit("_", 1)[1] for one in people),
    }
    assert sinks.leaks_of(secrets) == {}


def test_codes_and_tokens_of_an_authorization_are_told_to_nobody(
    clerk: Clerk, sinks: Sinks, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "_FRESH", timedelta(0))
    with authorization_server() as server:
        secrets = {SECRET}
        body = {"type": "api", "name": "to authorize", "config": server.config()}
        connector = clerk.sends("POST", "connectors", body)["id"]

        def come_back(**changed: str) -> None:
            shown = clerk.is_shown("POST", f"connectors/{connector}/authorize", {})
            url = shown["authorization_url"]
            brought = {**server.visit(url), **changed}
            secrets.update(brought[name] for name in ("state", "code") if name in brought)
            page = browser.get(f"/?{urlencode(brought)}")
            sinks.answers.append(f"{page.headers} {page.text}")

        server.faults.append(quote_all)
        come_back()
        come_back(error="access_denied", error_description=remembered(secrets))
        come_back(code=remembered(secrets))
        come_back()
        assert clerk.sends("GET", f"connectors/{connector}")["status"] == "connected"

        clerk.cancel_runs(connector)
        server.expire()
        server.faults.append(quote_all)
        shown = clerk.run_of(connector)
        assert shown is not None
        assert shown["status"] != "success"
        clerk.sends("POST", f"connectors/{connector}/check")
        clerk.reads_everything()

        tokens = {text for one in server.tokens for text in (one.access_token, one.refresh_token)}
        verifiers = {form["code_verifier"] for form in server.asked if "code_verifier" in form}
        assert len(tokens) >= 2
        assert verifiers
        assert sinks.leaks_of({*secrets, *verifiers, *filter(None, tokens)}) == {}


def remembered(secrets: set[str]) -> str:
    """Return a new secret, which is one of those to look for."""
    secret = canary()
    secrets.add(secret)
    return secret


def quote_all() -> Response:
    """Answer for a token endpoint: a failure that quotes the request."""
    came = f"{request.headers} {request.form.to_dict()}"
    return Response(came, 500, {"X-Came": str(request.form.to_dict())})


def test_an_address_of_an_authorization_holds_no_secret_of_the_client(
    clerk: Clerk, sinks: Sinks
) -> None:
    config = AuthorizationServer(port=1).config()
    body: dict[str, Any] = {"type": "api", "name": "addressed", "config": config}
    connector = clerk.sends("POST", "connectors", body)["id"]
    url = clerk.sends("POST", f"connectors/{connector}/authorize", {})["authorization_url"]
    [state] = parse_qs(urlsplit(url).query)["state"]
    assert sinks.leaks_of({SECRET}) == {}
    sinks.answers.clear()
    assert sinks.leaks_of({state}) == {}
