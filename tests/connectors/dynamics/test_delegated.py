"""A person authorizes the connector at Microsoft Entra, and it reads with that person's tokens."""

from dataclasses import replace
from typing import Any

import pytest

from shared.connectors.dynamics.config import DynamicsConfig
from shared.connectors.registry import connector_type
from shared.connectors.secrets import split_secrets
from shared.errors import PermanentError
from tests.connectors.dynamics.odata_server import ODataServer
from tests.connectors.dynamics.shop import access, add_customers, central, found

LOGIN = {"auth": "delegated", "tenant": "contoso.com", "client_id": "a", "client_secret": "canary"}


def made(service: dict[str, Any], **login: Any) -> DynamicsConfig:
    streams = [{"entity": "accounts"}]
    return DynamicsConfig.model_validate(
        {"service": service, "login": {**LOGIN, **login}, "streams": streams}
    )


def test_a_person_is_asked_at_the_tenants_endpoints_for_lasting_access() -> None:
    config = made({"product": "dataverse", "url": "https://org.crm4.dynamics.com/"})
    client = config.oauth_client()
    assert client is not None
    endpoints = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0"
    assert client.authorization_url == f"{endpoints}/authorize"
    assert client.token_url == f"{endpoints}/token"
    assert client.scope == "https://org.crm4.dynamics.com/.default offline_access"
    assert client.client_login == "body"
    plain, secrets = split_secrets(config)
    assert DynamicsConfig.needs_grant(plain)
    assert secrets == {"/login/client_secret": "canary"}


def test_lasting_access_is_asked_for_once() -> None:
    scopes = [
        made({"product": "business_central"}, scope=scope).oauth_client()
        for scope in ("offline_access x", "x")
    ]
    assert [one and one.scope for one in scopes] == ["offline_access x", "x offline_access"]


def test_an_application_that_logs_in_by_itself_needs_nobody() -> None:
    config = made({"product": "business_central"}, auth="application")
    assert config.oauth_client() is None
    assert not DynamicsConfig.needs_grant(split_secrets(config)[0])
    without = {"login": {"tenant": "contoso.com"}}
    assert not DynamicsConfig.needs_grant(without)


def test_the_persons_token_is_sent_and_another_is_asked_for_when_it_is_refused(
    server: ODataServer,
) -> None:
    found(server)
    add_customers(server, 1)
    plain = central(server)
    delegated = plain.model_copy(
        update={"login": plain.login.model_copy(update={"auth": "delegated"})}
    )
    server.tokens.append("second")
    asked: list[str | None] = []

    def token(refused: str | None) -> str:
        asked.append(refused)
        return "first" if refused is None and len(asked) == 1 else "second"

    reached = replace(access(delegated), access_token=token)
    assert connector_type("dynamics").check(reached) == []
    assert asked[:2] == [None, "first"]
    assert set(asked[2:]) == {None}
    assert "token" not in server.names()


def test_without_an_authorization_there_is_nothing_to_send(server: ODataServer) -> None:
    plain = central(server)
    delegated = plain.model_copy(
        update={"login": plain.login.model_copy(update={"auth": "delegated"})}
    )
    with pytest.raises(PermanentError, match="not authorized yet"):
        connector_type("dynamics").check(access(delegated))
