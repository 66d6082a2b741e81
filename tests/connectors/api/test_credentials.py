"""Every way of logging in, and tokens that expire; no secret is ever told."""

from base64 import b64encode
from typing import Any

import pytest

from shared.connectors.api.config import ApiConfig
from shared.connectors.json_http import credentials
from shared.connectors.registry import connector_type
from shared.connectors.secrets import join_secrets, split_secrets
from shared.errors import PermanentError, SynclineError, TransientError
from tests.connectors.api.readings import Reader, api, stream, sync_request
from tests.connectors.api.server import RestServer, says
from tests.connectors.databases import hold_lease

CANARY = "canary-7f3a"
TOKENS = {
    "type": "oauth2_client_credentials",
    "client_id": "syncline",
    "client_secret": CANARY,
    "scope": "read all",
    "audience": "orders",
}


def guarded(server: RestServer, **auth: Any) -> ApiConfig:
    """Return the settings of a connector whose tokens come from another origin than its API."""
    chosen = {"token_url": f"http://localhost:{server.port}/token", **TOKENS, **auth}
    return api(server, stream("/guarded", record_path=None), auth=chosen)


def sync(config: ApiConfig) -> None:
    connector_type("api").sync(sync_request(config), hold_lease)


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"type": "none"}, "Authorization", None),
        ({"type": "bearer", "token": CANARY}, "Authorization", f"Bearer {CANARY}"),
        ({"type": "api_key", "name": "X-Api-Key", "key": CANARY}, "X-Api-Key", CANARY),
        (
            {"type": "basic", "username": "øre", "password": CANARY},
            "Authorization",
            f"Basic {b64encode(f'øre:{CANARY}'.encode()).decode()}",
        ),
    ],
)
def test_credentials_are_sent_as_the_settings_say(
    server: RestServer, auth: dict[str, str], header: str, value: str | None
) -> None:
    sync(api(server, auth=auth))
    assert server.asked[0].headers.get(header) == value


def test_a_key_may_go_in_the_query(server: RestServer) -> None:
    key = {"type": "api_key", "place": "query", "name": "key", "key": "a&b c"}
    sync(api(server, stream(params={"status": "any"}), auth=key))
    assert server.asked[0].query == {"status": "any", "key": "a&b c"}


@pytest.mark.parametrize("login", ["basic", "body"])
def test_a_token_is_fetched_once_and_used_for_every_request(server: RestServer, login: str) -> None:
    server.records = [{"id": 1}]
    Reader(guarded(server, client_login=login)).read_whole()
    assert server.paths() == ["/token", "/guarded"]
    asked = server.asked[0]
    fields = {"grant_type": "client_credentials", "scope": "read all", "audience": "orders"}
    secret = {"client_id": "syncline", "client_secret": CANARY}
    basic = b64encode(f"syncline:{CANARY}".encode()).decode()
    assert asked.body == (fields | secret if login == "body" else fields)
    assert asked.headers.get("Authorization") == (None if login == "body" else f"Basic {basic}")
    assert server.asked[1].headers["Authorization"] == "Bearer token-1"


def test_a_token_that_was_revoked_is_fetched_again_once(server: RestServer) -> None:
    server.records = [{"id": 1}]
    server.faults["/guarded"] = [says(401)]
    assert len(Reader(guarded(server)).read_whole()) == 1
    assert server.paths() == ["/token", "/guarded", "/token", "/guarded"]


def test_a_fresh_token_that_is_refused_is_an_error(server: RestServer) -> None:
    server.always["/guarded"] = says(401)
    with pytest.raises(PermanentError, match="refused the credentials"):
        sync(guarded(server))
    assert server.paths() == ["/token", "/guarded", "/token", "/guarded"]


@pytest.mark.parametrize(
    ("expires_in", "later", "fetched"),
    [(3600, 3500.0, 1), (3600, 3571.0, 2), ("3600", 3571.0, 2), (20, 9.0, 1), (20, 11.0, 2)],
)
def test_a_token_is_replaced_before_it_expires(
    server: RestServer,
    monkeypatch: pytest.MonkeyPatch,
    expires_in: object,
    later: float,
    fetched: int,
) -> None:
    now = 0.0
    monkeypatch.setattr(credentials, "monotonic", lambda: now)
    server.expires_in = expires_in
    server.records = [{"id": number} for number in range(4)]
    config = api(server, stream("/cursor"), auth={**TOKENS, "token_url": f"{server.url}/token"})

    def wait() -> None:
        nonlocal now
        if server.paths()[-1] == "/cursor":
            now = later

    server.after_page = wait
    Reader(config).read_whole()
    assert len(server.tokens) == fetched


@pytest.mark.parametrize("expires_in", [None, "soon", {}])
def test_a_token_without_an_end_is_used_until_it_is_refused(
    server: RestServer, expires_in: object
) -> None:
    server.expires_in = expires_in
    Reader(guarded(server)).read_whole()
    assert len(server.tokens) == 1


@pytest.mark.parametrize(
    ("answer", "is_transient", "code", "sentence"),
    [
        (says(401, {"error": "invalid_client"}), False, "authorization", "check its client id"),
        (says(400, {"error": "invalid_scope"}), False, "authorization", "did not grant"),
        (says(400, {"error": CANARY}), False, "authorization", "an error code of its own"),
        (says(400, b"<html>"), False, "configuration", "refused the request"),
        (says(503), True, "source_unavailable", "too busy"),
        (says(429), True, "rate_limited", "fewer requests"),
        (says(200, b"<html>"), False, "authorization", "gave no bearer token"),
        (says(200, {"access_token": None}), False, "authorization", "gave no bearer token"),
        (says(200, {"access_token": "a\nb"}), False, "authorization", "gave no bearer token"),
        (
            says(200, {"access_token": "a", "token_type": "mac"}),
            False,
            "authorization",
            "gave no bearer token",
        ),
        (says(302, Location="/elsewhere"), False, "configuration", "redirects to another address"),
    ],
)
def test_a_token_endpoint_that_gives_none_is_a_sentence(
    server: RestServer, answer: Any, is_transient: bool, code: str, sentence: str
) -> None:
    server.always["/token"] = answer
    with pytest.raises(SynclineError, match=sentence) as failed:
        sync(guarded(server))
    assert isinstance(failed.value, TransientError) is is_transient
    assert failed.value.code == code
    assert CANARY not in str(failed.value)
    assert "/guarded" not in server.paths()


@pytest.mark.parametrize(
    "auth",
    [
        {"type": "bearer", "token": CANARY},
        {"type": "basic", "username": "reader", "password": CANARY},
        {"type": "api_key", "place": "query", "name": "key", "key": CANARY},
        {**TOKENS, "token_url": "https://login.example.com/token"},
    ],
)
def test_secrets_are_stored_apart_and_never_shown(auth: dict[str, str]) -> None:
    config = ApiConfig.model_validate(
        {"base_url": "https://api.example.com", "streams": [stream()], "auth": auth}
    )
    plain, secrets = split_secrets(config)
    assert CANARY not in f"{plain}{config!r}{config}"
    assert list(secrets.values()) == [CANARY]
    assert join_secrets(ApiConfig, plain, secrets) == config
