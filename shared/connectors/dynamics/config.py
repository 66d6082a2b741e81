"""What a workspace says about a Dynamics 365 connector, checked before it is stored."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from shared.connectors.base import ConnectorConfig
from shared.connectors.dynamics.service_config import (
    CURSORS,
    BusinessCentral,
    EntraLogin,
    LoginKind,
    Service,
)
from shared.connectors.dynamics.stream_config import StreamConfig
from shared.connectors.json_http.auth_config import AuthorizationCodeAuth, ClientCredentialsAuth
from shared.connectors.json_http.texts import MODEL, each_once
from shared.connectors.oauth_client import ClientLogin, OAuthClient

_MAX_STREAMS = 200
_MOST_RECORDS = 20_000
_MOST_OF_DATAVERSE = 5_000
_OFFLINE = "offline_access"
"""The scope without which Microsoft Entra gives no refresh token."""


class DynamicsConfig(ConnectorConfig):
    """A service of Dynamics 365, an application that may read it, and what to sync of it."""

    model_config = MODEL | ConfigDict(title="Dynamics 365")

    service: Service
    login: EntraLogin
    page_size: int = Field(
        default=1_000,
        ge=1,
        le=_MOST_RECORDS,
        description="How many records an answer may have: Dataverse gives 5,000 at most, Business"
        " Central 20,000.",
    )
    requests_per_second: float | None = Field(
        default=None,
        gt=0,
        le=1_000,
        description="To leave room for others: Business Central takes 6,000 requests in 5 minutes"
        " of one application, which is 20.",
        examples=[10],
    )
    streams: list[StreamConfig] = Field(min_length=1, max_length=_MAX_STREAMS)

    @model_validator(mode="after")
    def _check_streams(self) -> Self:
        # Names that differ in case alone would share one table of the dataset.
        each_once([stream.entity.casefold() for stream in self.streams], "entity")
        if not isinstance(self.service, BusinessCentral):
            if self.page_size > _MOST_OF_DATAVERSE:
                raise ValueError(f"page_size may be {_MOST_OF_DATAVERSE} at most for Dataverse")
            return self
        tracked = [stream.entity for stream in self.streams if stream.delta]
        if tracked:
            raise ValueError(
                f"{tracked[0]}: delta is for Dataverse: leave it out, or choose full_refresh to be"
                " rid of what was deleted"
            )
        return self

    @classmethod
    def cursors_of(cls, plain: Mapping[str, Any]) -> Mapping[str, str | None]:
        """Return the cursor of each stream, by its entity set, or None if it has none."""
        usual = CURSORS[plain["service"]["product"]]
        return {
            stream["entity"]: StreamConfig.model_validate(stream).cursor_of(usual)
            for stream in plain["streams"]
        }

    @classmethod
    def needs_grant(cls, plain: Mapping[str, Any]) -> bool:
        """Tell whether a person has to authorize the connector."""
        return plain["login"].get("auth") == LoginKind.DELEGATED

    def oauth_client(self) -> OAuthClient | None:
        """Return where a person authorizes the connector; None if nobody has to."""
        return self.auth.client() if isinstance(self.auth, AuthorizationCodeAuth) else None

    @property
    def api_url(self) -> str:
        """Return the root of the API, without a slash at its end."""
        return self.service.api_url(self.login.tenant)

    @property
    def auth(self) -> ClientCredentialsAuth | AuthorizationCodeAuth:
        """Return where tokens come from."""
        login = self.login
        scope = login.scope or f"{self.service.origin}/.default"
        if login.auth is LoginKind.APPLICATION:
            return ClientCredentialsAuth(
                type="oauth2_client_credentials",
                token_url=login.token_url,
                client_id=login.client_id,
                client_secret=login.client_secret,
                scope=scope,
                client_login=ClientLogin.BODY,
            )
        is_offline = _OFFLINE in scope.split()
        return AuthorizationCodeAuth(
            type="oauth2_authorization_code",
            authorization_url=login.authorization_url,
            token_url=login.token_url,
            client_id=login.client_id,
            client_secret=login.client_secret,
            client_login=ClientLogin.BODY,
            scope=scope if is_offline else f"{scope} {_OFFLINE}",
            authorize_parameters={"prompt": "select_account"},
        )

    def cursor_of(self, stream: StreamConfig) -> str | None:
        """Return what the watermark of a stream is of, None if it has none."""
        return stream.cursor_of(CURSORS[self.service.product])
