"""How an API is told who asks: one of these, by `type`."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

from shared.connectors.json_http.texts import (
    MODEL,
    HeaderName,
    Name,
    SecretHeaderValue,
    Text,
    Url,
)
from shared.egress.origins import forbidden_headers

_LONGEST_SECRET = 8_192


class KeyPlace(StrEnum):
    """Where a request has its API key."""

    HEADER = "header"
    QUERY = "query"


class ClientLogin(StrEnum):
    """How a client tells the token endpoint its secret (RFC 6749, 2.3.1)."""

    BASIC = "basic"
    BODY = "body"


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


Auth = Annotated[
    NoAuth | BasicAuth | BearerAuth | ApiKeyAuth | ClientCredentialsAuth,
    Field(discriminator="type"),
]
