"""What a workspace says about a connector to files, checked before it is stored."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from shared.connectors.base import ConnectorConfig
from shared.connectors.cloud_storage.credentials_config import MODEL, Credentials, NoCredentials
from shared.connectors.cloud_storage.stream_config import StreamConfig, each_once
from shared.connectors.cloud_storage.urls import Location, Scheme, parse_location
from shared.egress.origins import origin_of
from shared.errors import PermanentError

_MOST_STREAMS = 200
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_LOGINS: Mapping[Scheme, tuple[str, ...]] = {
    Scheme.S3: ("aws_keys", "none"),
    Scheme.GCS: ("google_service_account", "none"),
    Scheme.AZURE: ("azure_account_key", "azure_sas", "none"),
    Scheme.FILE: ("none",),
}


def _location(url: str) -> str:
    parse_location(url)
    return url


def _endpoint(url: str) -> str:
    try:
        origin_of(url)
    except PermanentError as error:
        raise ValueError(str(error)) from None
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise ValueError("leave out ? and # and what follows")
    return url.rstrip("/")


class CloudStorageConfig(ConnectorConfig):
    """A bucket, a container or a folder, how to log in, and the files to sync."""

    model_config = MODEL | ConfigDict(title="Files")

    url: Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_location)] = Field(
        description="s3:// and gs:// with a bucket, az:// with a container, or file:/// with a"
        " folder of the deployment; each with a folder in it, if not all of it is meant.",
        examples=["s3://acme-exports/shop", "gs://acme-exports", "az://exports/shop"],
    )
    account: str | None = Field(
        default=None, description="The storage account of an az:// container.", examples=["acme"]
    )
    region: str | None = Field(
        default=None, description="Of an s3:// bucket; us-east-1 if not given."
    )
    endpoint_url: (
        Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_endpoint)] | None
    ) = Field(
        default=None,
        description="Only of stores that are not the provider's own, such as MinIO or R2.",
        examples=["https://minio.example.com"],
    )
    credentials: Credentials = Field(default_factory=NoCredentials)
    streams: list[StreamConfig] = Field(min_length=1, max_length=_MOST_STREAMS)

    @field_validator("streams")
    @classmethod
    def _check_streams(cls, streams: list[StreamConfig]) -> list[StreamConfig]:
        # Names that differ in case alone would share one table of the dataset.
        each_once([stream.name.casefold() for stream in streams], "stream")
        return streams

    @model_validator(mode="after")
    def _check_store(self) -> Self:
        scheme = self.location.scheme
        if self.credentials.type not in _LOGINS[scheme]:
            raise ValueError(
                f"{scheme}:// takes credentials of type {' or '.join(_LOGINS[scheme])}"
            )
        if (self.account is not None) != (scheme is Scheme.AZURE):
            raise ValueError("account goes with az://, which needs it, and with nothing else")
        if self.account is not None and not _ACCOUNT.fullmatch(self.account):
            raise ValueError("an account has 3 to 24 small letters and digits")
        if self.region is not None and scheme is not Scheme.S3:
            raise ValueError("region goes with s3:// only: leave it out")
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise ValueError("a region is written as eu-north-1")
        if self.endpoint_url is not None and scheme is Scheme.FILE:
            raise ValueError("a folder of the deployment has no endpoint: leave endpoint_url out")
        return self

    @property
    def location(self) -> Location:
        """Return the place that the URL names."""
        return parse_location(self.url)

    @classmethod
    def cursors_of(cls, plain: Mapping[str, Any]) -> Mapping[str, str | None]:
        """Return the cursor of each stream, by its name: when a file was modified, or None."""
        streams = [StreamConfig.model_validate(stream) for stream in plain["streams"]]
        return {stream.name: stream.cursor for stream in streams}
