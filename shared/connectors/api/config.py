"""What a workspace says about an API connector, checked before it is stored."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from shared.connectors.api.paging_config import NoPages, Pagination
from shared.connectors.api.stream_config import Place, StreamConfig
from shared.connectors.base import ConnectorConfig
from shared.connectors.json_http.auth_config import (
    ApiKeyAuth,
    Auth,
    AuthorizationCodeAuth,
    KeyPlace,
    NoAuth,
)
from shared.connectors.json_http.texts import (
    MODEL,
    HeaderName,
    HeaderValue,
    Url,
    each_once,
)
from shared.connectors.oauth_client import OAuthClient
from shared.egress.origins import forbidden_headers

_MAX_STREAMS = 200
_MAX_HEADERS = 50
_SECRET_HEADERS = ("authorization", "cookie", "api-key", "apikey", "token", "secret", "password")


class ApiConfig(ConnectorConfig):
    """A REST API, how to log in, and the endpoints to sync."""

    model_config = MODEL | ConfigDict(title="REST API")

    base_url: Url = Field(
        description="https://, or http:// to a network that the deployment allows.",
        examples=["https://api.example.com/v1"],
    )
    auth: Auth = Field(default_factory=NoAuth)
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict[str, str],
        max_length=_MAX_HEADERS,
        description="Sent with every request. Secrets belong in auth.",
        examples=[{"X-Api-Version": "2024-01"}],
    )
    requests_per_second: float | None = Field(
        default=None,
        gt=0,
        le=1_000,
        description="What the API allows. Without it the next request leaves with the last answer.",
        examples=[10],
    )
    pagination: Pagination = Field(
        default_factory=NoPages, description="Of every stream that names none."
    )
    streams: list[StreamConfig] = Field(min_length=1, max_length=_MAX_STREAMS)

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        each_once([name.lower() for name in headers], "header")
        refused = forbidden_headers(headers)
        if refused:
            raise ValueError(
                f"leave out {', '.join(refused)[:200]}: the connection sets such headers itself"
            )
        secret = [name for name in headers if any(one in name.lower() for one in _SECRET_HEADERS)]
        if secret:
            raise ValueError(
                f"give {', '.join(secret)[:200]} as auth, which is stored encrypted: for example"
                ' {"type": "api_key", "name": ..., "key": ...}'
            )
        return headers

    @field_validator("streams")
    @classmethod
    def _check_streams(cls, streams: list[StreamConfig]) -> list[StreamConfig]:
        # Names that differ in case alone would share one table of the dataset.
        each_once([stream.name.casefold() for stream in streams], "stream")
        by_name = {stream.name: stream for stream in streams}
        for stream in streams:
            if stream.parent is None:
                continue
            parent = by_name.get(stream.parent.stream)
            if parent is None:
                raise ValueError(
                    f"{stream.name}: there is no stream {stream.parent.stream} to be its parent"
                )
            if parent.parent is not None:
                raise ValueError(
                    f"{stream.name}: its parent {parent.name} has a parent itself, and one step is"
                    " as far as it goes"
                )
        return streams

    @model_validator(mode="after")
    def _check_parameters(self) -> Self:
        for stream in self.streams:
            given = stream.body if stream.parameters_in is Place.BODY else stream.params
            names = [*(given or ()), *stream.set_parameters(self.paging_of(stream))]
            if self.key_parameter is not None:
                names.append(self.key_parameter)
            twice = {name for name in names if names.count(name) > 1}
            # A search body may hold an empty place for what is set in it.
            clashes = twice - set(stream.body or ()) if given is stream.body else twice
            if clashes:
                raise ValueError(
                    f"{stream.name}: the parameter {min(clashes)} is set more than once, by params,"
                    " cursor, pagination or auth: leave out all but one"
                )
        return self

    @classmethod
    def cursors_of(cls, plain: Mapping[str, Any]) -> Mapping[str, str | None]:
        """Return the cursor field of each stream, by its name, or None if it has none."""
        return {
            stream["name"]: (stream.get("cursor") or {}).get("field") for stream in plain["streams"]
        }

    @classmethod
    def needs_grant(cls, plain: Mapping[str, Any]) -> bool:
        """Tell whether a person has to authorize the connector."""
        return plain.get("auth", {}).get("type") == "oauth2_authorization_code"

    def oauth_client(self) -> OAuthClient | None:
        """Return where a person authorizes the connector; None if nobody has to."""
        return self.auth.client() if isinstance(self.auth, AuthorizationCodeAuth) else None

    @property
    def key_parameter(self) -> str | None:
        """Return the query parameter that holds the API key, if one does."""
        is_query = isinstance(self.auth, ApiKeyAuth) and self.auth.place is KeyPlace.QUERY
        return self.auth.name if is_query and isinstance(self.auth, ApiKeyAuth) else None

    def stream(self, name: str) -> StreamConfig:
        """Return the stream of this name; raise `StopIteration` if there is none."""
        return next(stream for stream in self.streams if stream.name == name)

    def paging_of(self, stream: StreamConfig) -> Pagination:
        """Return how the stream's records are split into pages."""
        return stream.pagination or self.pagination
