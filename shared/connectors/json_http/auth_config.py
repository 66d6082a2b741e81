"""How an API is told who asks: one of these, by `type`."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from shared.connectors.json_http.texts import (
    MODEL,
    HeaderName,
    Name,
    SecretHeaderValue,
    Text,
    Url,
)
from shared.connectors.oauth_client import ClientLogin, OAuthClient
from shared.domain.oauth import RESERVED_PARAMETERS
from shared.egress.origins import forbidden_headers

_LONGEST_SECRET = 8_192
_MAX_PARAMETERS = 20


class KeyPlace(StrEnum):
    """Where a request has its API key."""

    HEADER = "header"
    QUERY = "query"


class NoAuth(BaseModel):
    """An API that anyone may ask."""

    model_config = MODEL

    type: Literal["none"] = "none"


class BasicAuth(BaseModel):
    """A user name and a password, in the header Authorization."""

    model_config = MODEL

    type: Literal["basic"]
    username: Text = Field(description="A colon cannot be part of it.", examples=["reader"])
    password: SecretStr = Field(default=SecretStr(""), max_length=_LONGEST_SECRET)

    @field_validator("username")
    @classmethod
    def _check_username(cls, username: str) -> str:
        if ":" in username:
            raise ValueError("leave out the colon: it parts the name from the password")
        return username


class BearerAuth(BaseModel):
    """A token that does not expire, or seldom, in the header Authorization."""

    model_config = MODEL

    type: Literal["bearer"]
    token: SecretHeaderValue = Field(min_length=1, max_length=_LONGEST_SECRET)


class ApiKeyAuth(BaseModel):
    """A key in a header or in a query parameter."""

    model_config = MODEL

    type: Literal["api_key"]
    place: KeyPlace = Field(
        default=KeyPlace.HEADER,
        strict=False,
        description="A header is safer: many servers write queries to their logs.",
    )
    name: HeaderName = Field(
        description="Of the header or parameter.", examples=["X-Api-Key", "api_key"]
    )
    key: SecretHeaderValue = Field(min_length=1, max_length=_LONGEST_SECRET)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if forbidden_headers([name]):
            raise ValueError("this header is the connection's own: choose the one the API asks for")
        return name


class ClientCredentialsAuth(BaseModel):
    """OAuth 2.0 client credentials: a token is fetched, and fetched again before it expires."""

    model_config = MODEL

    type: Literal["oauth2_client_credentials"]
    token_url: Url = Field(
        description="Where tokens are given out. It may be another host than the API.",
        examples=["https://login.example.com/oauth/token"],
    )
    client_id: Name
    client_secret: SecretStr = Field(min_length=1, max_length=_LONGEST_SECRET)
    scope: Text | None = Field(default=None, description="Scopes with spaces between them.")
    audience: Text | None = Field(default=None, description="Only if the provider asks for one.")
    client_login: ClientLogin = Field(
        default=ClientLogin.BASIC,
        strict=False,
        description="Whether id and secret go in the header Authorization or in the body.",
    )


class AuthorizationCodeAuth(BaseModel):
    """OAuth 2.0 with a person who authorizes the connector once; its tokens renew themselves."""

    model_config = MODEL

    type: Literal["oauth2_authorization_code"]
    authorization_url: Url = Field(
        description="Where the person is asked.",
        examples=["https://login.example.com/oauth/authorize"],
    )
    token_url: Url = Field(
        description="Where tokens are given out.",
        examples=["https://login.example.com/oauth/token"],
    )
    client_id: Name
    client_secret: SecretStr | None = Field(
        default=None,
        min_length=1,
        max_length=_LONGEST_SECRET,
        description="None for a public client, which PKCE alone protects.",
    )
    client_login: ClientLogin = Field(
        default=ClientLogin.BASIC,
        strict=False,
        description="Whether id and secret go in the header Authorization or in the body.",
    )
    scope: Text | None = Field(
        default=None,
        description="Scopes with spaces between them; also the one that brings a refresh token.",
        examples=["orders.read offline_access"],
    )
    authorize_parameters: dict[Name, Text] = Field(
        default_factory=dict[str, str],
        max_length=_MAX_PARAMETERS,
        description="More parameters of authorization_url.",
        examples=[{"access_type": "offline", "prompt": "consent"}],
    )
    issuer: Url | None = Field(
        default=None,
        description="The issuer that the provider names in its answers (iss, RFC 9207), if it does;"
        " without it an issuer that is named needs the origin of authorization_url.",
    )

    @field_validator("authorize_parameters")
    @classmethod
    def _check_parameters(cls, parameters: dict[str, str]) -> dict[str, str]:
        reserved = sorted(RESERVED_PARAMETERS & {name.lower() for name in parameters})
        if reserved:
            raise ValueError(f"leave out {', '.join(reserved)}: the request sets them itself")
        return parameters

    @model_validator(mode="after")
    def _check_encryption(self) -> Self:
        # Whether http:// may be is known of a network, and the browser's is not ours to know.
        if self.token_url.startswith("https:") and not self.authorization_url.startswith("https:"):
            raise ValueError("authorization_url has to start with https://, as token_url does")
        return self

    def client(self) -> OAuthClient:
        """Return the client that these settings describe."""
        secret = self.client_secret
        return OAuthClient(
            authorization_url=self.authorization_url,
            token_url=self.token_url,
            client_id=self.client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            client_login=self.client_login,
            scope=self.scope,
            issuer=self.issuer,
            authorize_parameters=self.authorize_parameters,
        )


UnattendedAuth = Annotated[
    NoAuth | BasicAuth | BearerAuth | ApiKeyAuth | ClientCredentialsAuth,
    Field(discriminator="type"),
]
"""What needs nobody but the connector itself."""
Auth = Annotated[
    NoAuth | BasicAuth | BearerAuth | ApiKeyAuth | ClientCredentialsAuth | AuthorizationCodeAuth,
    Field(discriminator="type"),
]
"""These, and what a person authorizes: a type that takes it says so by `needs_grant`."""
