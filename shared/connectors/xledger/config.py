"""What a workspace says about an Xledger connector, checked before it is stored."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from shared.connectors.base import ConnectorConfig
from shared.connectors.json_http.texts import MODEL, SecretHeaderValue, Url, each_once
from shared.connectors.xledger.names import AnswerPlace
from shared.connectors.xledger.stream_config import StreamConfig

_MAX_STREAMS = 200
_LONGEST_TOKEN = 8_192


class CreditsConfig(BaseModel):
    """Where answers report how many credits are left, so that a sync stops before there are none.

    A place begins with extensions., data. or headers.; what stands in data is asked for with every
    query.
    """

    model_config = MODEL

    remaining: AnswerPlace = Field(
        description="Where the number of credits that are left stands.",
        examples=["extensions.rateLimit.remaining", "headers.X-Credits-Remaining"],
    )
    reset_at: AnswerPlace | None = Field(
        default=None,
        description="Where it stands when there are new ones: a time with its zone, or seconds.",
        examples=["extensions.rateLimit.resetAt"],
    )
    reserve: int = Field(
        default=0, ge=0, description="How many credits to leave to others who use the token."
    )


class XledgerConfig(ConnectorConfig):
    """An entity of Xledger, its API token, and the connections to sync."""

    model_config = MODEL | ConfigDict(title="Xledger")

    endpoint: Url = Field(
        default="https://www.xledger.net/graphql",
        description="The demo environment is https://demo.xledger.net/graphql.",
    )
    token: SecretHeaderValue = Field(
        min_length=1,
        max_length=_LONGEST_TOKEN,
        description="An API token, as an administrator makes it in Xledger.",
    )
    requests_per_second: float = Field(
        default=4,
        gt=0,
        le=1_000,
        description="Xledger takes 20 requests in any 5 seconds.",
    )
    credits: CreditsConfig | None = Field(
        default=None,
        description="Without it a sync waits once Xledger says that there are none left.",
    )
    streams: list[StreamConfig] = Field(min_length=1, max_length=_MAX_STREAMS)

    @field_validator("token")
    @classmethod
    def _check_token(cls, token: SecretStr) -> SecretStr:
        if " " in token.get_secret_value():
            raise ValueError("give the token alone, without the word before it and without spaces")
        return token

    @field_validator("streams")
    @classmethod
    def _check_streams(cls, streams: list[StreamConfig]) -> list[StreamConfig]:
        # Names that differ in case alone would share one table of the dataset.
        each_once([stream.name.casefold() for stream in streams], "stream")
        return streams

    @classmethod
    def cursors_of(cls, plain: Mapping[str, Any]) -> Mapping[str, str | None]:
        """Return the cursor field of each stream, by its name, or None if it has none."""
        return {
            stream["name"]: (stream.get("cursor") or {}).get("field") for stream in plain["streams"]
        }
