"""A client of an authorization server, as a connector's settings describe it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class ClientLogin(StrEnum):
    """How a client tells the token endpoint its secret (RFC 6749, 2.3.1)."""

    BASIC = "basic"
    BODY = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """Where a person authorizes a connector, and where its tokens are given out.

    Without a secret it is a public client, which PKCE alone protects. `issuer` is how the server
    names itself, if it does so in its answers (RFC 9207).
    """

    authorization_url: str
    token_url: str
    client_id: str
    client_secret: str | None = field(repr=False)
    client_login: ClientLogin = ClientLogin.BASIC
    scope: str | None = None
    issuer: str | None = None
    authorize_parameters: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint gave; `expires_in` is None if only the source will tell."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: timedelta | None


AccessToken = Callable[[str | None], str]
"""Returns a token of the connector's grant that is good for a while.

Called before each request; with the token that the source has just refused it returns another one,
or the same if none can be had that is better: the source then says itself what it holds against it.
It may ask the authorization server, or wait for another worker that does. Raises `TransientError`,
and `PermanentError` (authorization) if a person has to authorize the connector.
"""
