"""Which service of Dynamics 365 is read, and as which application: one of two, by `product`."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr, StringConstraints, field_validator

from shared.connectors.json_http.texts import MODEL, Name, Text, Url, each_once

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_MOST_COMPANIES = 500
_LONGEST_SECRET = 8_192
_CUSTOM_ROUTE_PARTS = 3

CURSORS: Mapping[str, str] = {
    "business_central": "lastModifiedDateTime",
    "dataverse": "modifiedon",
}
"""By product: the property that moves with every change of a record."""


def _part(text: str) -> str:
    if not _PART.fullmatch(text):
        raise ValueError("use letters, digits, -, _ and . only")
    return text


def _route(text: str) -> str:
    parts = text.split("/")
    if len(parts) not in (1, _CUSTOM_ROUTE_PARTS) or not all(map(_PART.fullmatch, parts)):
        raise ValueError("write v2.0, or publisher/group/version of a custom API")
    return text


PathPart = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_part)]
Route = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_route)]


class LoginKind(StrEnum):
    """As whom a service is read: the application itself, or a person who authorizes it."""

    APPLICATION = "application"
    DELEGATED = "delegated"


class EntraLogin(BaseModel):
    """An application of Microsoft Entra, which logs in by itself or is authorized by a person."""

    model_config = MODEL

    auth: LoginKind = Field(
        default=LoginKind.APPLICATION,
        strict=False,
        description="application: it logs in by itself (OAuth 2.0 client credentials). delegated: a"
        " person authorizes the connector, and it reads what that person may read.",
    )
    tenant: PathPart = Field(
        description="Id or domain of the Microsoft Entra tenant.",
        examples=["contoso.onmicrosoft.com", "4b4d1a9c-4b5e-4b0f-9d0f-2f6f3c1f1f11"],
    )
    client_id: Name = Field(description="Application (client) id of the app registration.")
    client_secret: SecretStr = Field(
        min_length=1, max_length=_LONGEST_SECRET, description="Value of one of its client secrets."
    )
    authority: Url = Field(
        default="https://login.microsoftonline.com",
        description="Only for national clouds, such as https://login.microsoftonline.us.",
    )
    scope: Text | None = Field(
        default=None, description="Only if it is not the address of the service with /.default."
    )

    @property
    def token_url(self) -> str:
        """Return where tokens are given out."""
        return f"{self._endpoints}/token"

    @property
    def authorization_url(self) -> str:
        """Return where a person authorizes the application."""
        return f"{self._endpoints}/authorize"

    @property
    def _endpoints(self) -> str:
        return f"{self.authority.rstrip('/')}/{self.tenant}/oauth2/v2.0"


class BusinessCentral(BaseModel):
    """An environment of Business Central, and an API of it."""

    model_config = MODEL

    product: Literal["business_central"]
    environment: PathPart = Field(
        default="production", description="Its name.", examples=["production", "sandbox"]
    )
    route: Route = Field(
        default="v2.0",
        description="Version of the standard API, or publisher/group/version of a custom one.",
        examples=["v2.0", "contoso/sales/v1.0"],
    )
    companies: Annotated[list[Name], Field(min_length=1, max_length=_MOST_COMPANIES)] | None = (
        Field(
            default=None,
            description="Ids or names of companies; without it all that the application may see.",
            examples=[["CRONUS Norge AS"]],
        )
    )
    base_url: Url = Field(
        default="https://api.businesscentral.dynamics.com",
        description="Only for national clouds and other hosts.",
    )

    @field_validator("companies")
    @classmethod
    def _check_once(cls, companies: list[str] | None) -> list[str] | None:
        each_once([company.casefold() for company in companies or ()], "company")
        return companies

    @property
    def origin(self) -> str:
        """Return the address that tokens are asked for."""
        return self.base_url.rstrip("/")

    def api_url(self, tenant: str) -> str:
        """Return the root of the API."""
        return f"{self.origin}/v2.0/{tenant}/{self.environment}/api/{self.route}"


class Dataverse(BaseModel):
    """An environment of Dataverse: Dynamics 365 Sales, Customer Service, or a Power App's data."""

    model_config = MODEL

    product: Literal["dataverse"]
    url: Url = Field(
        description="Address of the organization.", examples=["https://contoso.crm4.dynamics.com"]
    )
    version: PathPart = Field(default="v9.2", description="Version of the Web API.")

    @property
    def origin(self) -> str:
        """Return the address that tokens are asked for."""
        return self.url.rstrip("/")

    def api_url(self, tenant: str) -> str:  # noqa: ARG002 (the other service's signature)
        """Return the root of the API."""
        return f"{self.origin}/api/data/{self.version}"


Service = Annotated[BusinessCentral | Dataverse, Field(discriminator="product")]
