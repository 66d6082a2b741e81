"""What a workspace says about how a stream is kept up to date, checked before it is stored."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, Field, model_validator

from shared.connectors.json_http.texts import MODEL, Name, Text

_LONGEST_LOOK_BACK = 31 * 86_400


class SyncMode(StrEnum):
    """What a sync brings."""

    INCREMENTAL = "incremental"
    """What is new or changed is merged; nothing is taken away."""
    FULL_REFRESH = "full_refresh"
    """The whole stream replaces what the dataset has of it."""


class CursorFormat(StrEnum):
    """How an API writes the values of a cursor field, and takes them as a parameter."""

    ISO8601 = "iso8601"
    DATE = "date"
    UNIX_SECONDS = "unix_seconds"
    UNIX_MS = "unix_ms"
    AS_IS = "as_is"
    """Numbers, or texts that sort as they are; sent as they came."""

    @property
    def is_time(self) -> bool:
        """Tell whether its values are instants or days."""
        return self is not CursorFormat.AS_IS


class CursorConfig(BaseModel):
    """The field that moves with every change, and the parameter that asks for what came since."""

    model_config = MODEL

    field: Name = Field(
        description="Field of a record; dots lead into objects.",
        examples=["updated_at", "meta.modified"],
    )
    parameter: Name = Field(
        description="Parameter that asks for records from a value on, that value included.",
        examples=["updated_since"],
    )
    format: CursorFormat = Field(default=CursorFormat.ISO8601, strict=False)
    end_parameter: Name | None = Field(
        default=None,
        description="Parameter that asks for records up to the time at which the sync starts.",
        examples=["updated_before"],
    )
    look_back_seconds: int = Field(
        default=0,
        ge=0,
        le=_LONGEST_LOOK_BACK,
        description="Each sync starts so much before the newest value of the last one, since"
        " sources commit late and records move while they are paged. What is read again and did not"
        " change counts as nothing.",
        examples=[300],
    )
    initial: Text | None = Field(
        default=None,
        description="What a first sync sends; without it the first sync sends no parameter.",
        examples=["2020-01-01T00:00:00Z"],
    )

    @model_validator(mode="after")
    def _check_format(self) -> Self:
        if not self.format.is_time and (self.look_back_seconds or self.end_parameter):
            raise ValueError(
                "look_back_seconds and end_parameter need a format of times: choose one, or leave"
                " them out"
            )
        return self
