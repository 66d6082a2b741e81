"""An application logs in by itself, its token is renewed, and no secret is ever told."""

from typing import Any

import pytest

from shared.connectors.dynamics.config import DynamicsConfig
from shared.connectors.registry import connector_type
from shared.connectors.secrets import join_secrets, split_secrets
from shared.errors import PermanentError, SynclineError
from tests.connectors.api.server import says
from tests.connectors.databases import Postgres
from tests.connectors.dynamics.odata_server import SECRET, ODataServer
from tests.connectors.dynamics.shop import DynamicsShop, access, add_customers, central, found


def config(server: ODataServer, **login: Any) -> DynamicsConfig:
    plain = central(server)
    return plain.model_copy(update={"login": plain.login.model_copy(update=login)})


def test_one_token_serves_a_whole_sync(server: ODataServer, dataset: Postgres) -> None:
    found(server, "Oslo", "Bergen")
    add_customers(server, *range(1, 9))
    DynamicsShop(central(server), dataset).sync()
    assert server.names().count("token") == 1
    assert server.names().count("$metadata") == 1
    assert server.names().count("companies") == 1


def test_a_token_that_expires_in_the_middle_is_replaced(
    server: ODataServer, dataset: Postgres
) -> None:
    found(server)
    add_customers(server, *range(1, 9))

    def expire() -> None:
        if server.names()[-1] == "customers":
            server.tokens.append("another")
            server.after_page = lambda: None

    server.after_page = expire
    one = DynamicsShop(central(server), dataset)
    assert one.sync().records_created == 8
    assert server.names().count("token") == 2


def test_a_wrong_secret_is_told_without_it(server: ODataServer) -> None:
    plain, _ = split_secrets(central(server))
    wrong = join_secrets(DynamicsConfig, plain, {"/login/client_secret": "wrong-canary"})
    with pytest.raises(PermanentError, match="check its client id and secret") as failed:
        connector_type("dynamics").check(access(wrong))
    assert failed.value.code == "authorization"
    assert SECRET not in str(failed.value)
    assert "wrong-canary" not in str(failed.value)


def test_a_wrong_tenant_is_told(server: ODataServer) -> None:
    with pytest.raises(PermanentError) as failed:
        connector_type("dynamics").check(access(config(server, tenant="elsewhere")))
    assert failed.value.fault in ("login", "not_found")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (says(400, {"error": "invalid_scope"}), "did not grant"),
        (says(503), "too busy"),
        (says(200, b"<html>"), "gave no bearer token"),
    ],
)
def test_a_token_endpoint_that_gives_none_is_told(
    server: ODataServer, fault: Any, sentence: str
) -> None:
    server.always["token"] = fault
    with pytest.raises(SynclineError, match=sentence):
        connector_type("dynamics").check(access(central(server)))


def test_the_secret_is_stored_apart_and_never_shown(server: ODataServer) -> None:
    whole = central(server)
    plain, secrets = split_secrets(whole)
    assert secrets == {"/login/client_secret": SECRET}
    assert SECRET not in f"{plain}{whole!r}{whole}"
    assert join_secrets(DynamicsConfig, plain, secrets) == whole


def test_tokens_are_asked_for_the_service(server: ODataServer) -> None:
    login = {"tenant": "contoso.com", "client_id": "a", "client_secret": "b"}
    streams = [{"entity": "accounts"}]
    services = [
        {"product": "business_central"},
        {"product": "dataverse", "url": "https://org.crm4.dynamics.com/"},
    ]
    made = [
        DynamicsConfig.model_validate({"service": one, "login": login, "streams": streams})
        for one in services
    ]
    assert [one.auth.scope for one in made] == [
        "https://api.businesscentral.dynamics.com/.default",
        "https://org.crm4.dynamics.com/.default",
    ]
    assert {one.auth.token_url for one in made} == {
        "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"
    }
    assert [one.api_url for one in made] == [
        "https://api.businesscentral.dynamics.com/v2.0/contoso.com/production/api/v2.0",
        "https://org.crm4.dynamics.com/api/data/v9.2",
    ]
