"""How a connector that a person authorizes is described, and what cannot be."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.connectors.api.config import ApiConfig
from shared.connectors.secrets import join_secrets, split_secrets

GRANT = {
    "type": "oauth2_authorization_code",
    "authorization_url": "https://login.example.com/authorize",
    "token_url": "https://login.example.com/token",
    "client_id": "syncline",
}


def config(**auth: Any) -> ApiConfig:
    streams = [{"name": "order", "path": "/orders", "primary_key": ["id"]}]
    return ApiConfig.model_validate(
        {"base_url": "https://api.example.com", "streams": streams, "auth": {**GRANT, **auth}}
    )


def test_the_client_is_what_the_settings_say_and_its_secret_is_kept_apart() -> None:
    whole = config(client_secret="canary", authorize_parameters={"prompt": "consent"})
    client = whole.oauth_client()
    assert client is not None
    assert (client.authorization_url, client.client_secret) == (
        "https://login.example.com/authorize",
        "canary",
    )
    assert client.authorize_parameters == {"prompt": "consent"}
    plain, secrets = split_secrets(whole)
    assert ApiConfig.needs_grant(plain)
    assert secrets == {"/auth/client_secret": "canary"}
    assert "canary" not in f"{client!r}{whole!r}{plain}"
    assert join_secrets(ApiConfig, plain, secrets) == whole


def test_a_public_client_has_no_secret() -> None:
    plain, secrets = split_secrets(config())
    assert (ApiConfig.needs_grant(plain), secrets) == (True, {})
    client = join_secrets(ApiConfig, plain, secrets).oauth_client()
    assert client is not None
    assert client.client_secret is None


def test_a_connector_that_logs_in_by_itself_needs_nobody() -> None:
    by_itself = config().model_copy(update={"auth": None})
    assert by_itself.oauth_client() is None
    assert not ApiConfig.needs_grant({"streams": []})
    assert not ApiConfig.needs_grant({"streams": [], "auth": {"type": "bearer"}})


@pytest.mark.parametrize(
    ("auth", "sentence"),
    [
        ({"authorize_parameters": {"State": "x"}}, "leave out state"),
        ({"authorize_parameters": {"code_challenge_method": "plain"}}, "leave out code_challenge"),
        ({"authorization_url": "http://login.example.com/a"}, "has to start with https://"),
        ({"authorization_url": "https://login.example.com/a?b=c"}, "leave out"),
        ({"client_secret": ""}, "at least 1"),
        ({"unknown": 1}, "not permitted"),
    ],
)
def test_an_authorization_that_cannot_be_is_refused(auth: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        config(**auth)
